"""The module in doc/modules.md compiles as it stands there, and is one that tidegate takes."""

import subprocess

from harness import settings


def source_in(text):
    """The indented block that begins with the include."""
    lines = text.splitlines()
    block = []
    for line in lines[lines.index("\t#include <tidegate/module.h>"):]:
        if line and not line.startswith("\t"):
            break
        block.append(line[1:])
    return "\n".join(block)


def test_it_is_built_and_loaded(run_tidegate, tmp_path):
    (tmp_path / "tens.c").write_text(source_in((settings.TOP / "doc" / "modules.md").read_text()))
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
                    f"-I{settings.TOP}/src", "-o", "tens.so", "tens.c"], cwd=tmp_path, check=True)
    (tmp_path / "tens.so").chmod(0o755)
    (tmp_path / "tidegate.conf").write_text(f"""modules = ( "{tmp_path}/tens.so" );
listeners = ( {{ name = "l"; bind = "127.0.0.1:1"; service = "s"; }} );
services = ( {{ name = "s"; autoscale = {{ module = "tens"; max = 9; dry_run = true; }}; }} );
""")
    checked = run_tidegate("-t", "-c", "tidegate.conf", folder=tmp_path)
    assert checked.returncode == 0, checked.stderr
