"""Tables of a measurement, as text."""

import statistics

MIB = 1 << 20


def spread(values, form):
    """median (min-max)"""
    low, high = form.format(min(values)), form.format(max(values))
    return f"{form.format(statistics.median(values))} ({low}-{high})"


def _table(rows):
    """Columns as wide as they must be; the first one to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(text.ljust(width) if i == 0 else text.rjust(width)
                               for i, (text, width) in enumerate(zip(row, widths)))
                     for row in rows)


def _column(runs, key):
    return [run[key] for run in runs]


def _form(values):
    """Digits for values of this size."""
    return "{:.2f}" if statistics.median(values) < 100 else "{:.0f}"


def _median(runs, key, form=None):
    values = _column(runs, key)
    return (form or _form(values)).format(statistics.median(values))


def _load_row(proxy, runs, counted):
    cpu = _column(runs, "cpu_us")
    return [proxy, spread(_column(runs, "rate"), "{:.0f}"), spread(cpu, _form(cpu)),
            _median(runs, "user_us"), _median(runs, "system_us"),
            f"{counted['io']:.2f}" if counted else "-",
            f"{counted['waits']:.2f}" if counted else "-",
            _median(runs, "p50_us", "{:.0f}"), _median(runs, "p99_us", "{:.0f}"),
            f"{statistics.median(_column(runs, 'rss')) / MIB:.1f}",
            str(sum(_column(runs, "errors")))]


def _ratio(ours, theirs, key):
    """Median over the rounds: both were measured side by side in each."""
    pairs = [a[key] / b[key] for a, b in zip(ours, theirs) if b[key] > 0]
    return statistics.median(pairs) if pairs else None


def _ratios(results, key, word):
    ours = results.get("tidegate")
    shown = []
    for proxy, runs in results.items():
        ratio = _ratio(ours, runs, key) if ours and proxy != "tidegate" else None
        if ratio is not None:
            shown.append(f"/{proxy} {ratio:.2f}")
    return f"tidegate{', tidegate'.join(shown)} ({word})" if shown else ""


def _joined(lines):
    return "\n".join(line for line in lines if line)


def load(scenario, results, counted):
    unit = scenario.unit
    head = ["", f"{unit}/s", f"CPU us/{unit}", "user", "sys", f"I/O calls/{unit}", "other", "p50 us",
            "p99 us", "RSS MiB", "errors"]
    rows = [_load_row(proxy, runs, counted.get(proxy)) for proxy, runs in results.items()]
    others = statistics.median([value for runs in results.values()
                                for value in _column(runs, "others_cores")])
    return _joined([f"{scenario.name}: {scenario.about}", _table([head, *rows]),
                    _ratios(results, "cpu_us", f"CPU per {unit}, less is better"),
                    *([_ratios(results, "p50_us", "p50, less is better"), _ratios(results, "p99_us", "p99, less is better")]
                      if scenario.rate else [_ratios(results, "rate", f"{unit}s a second, more is better")]),
                    f"others on this machine used {others:.2f} processors meanwhile"])


def idle(scenario, results, connections):
    head = ["", "KiB/connection", "PSS MiB", "RSS MiB", "errors"]
    rows = [[proxy, spread([value / 1024 for value in _column(runs, "bytes")], "{:.2f}"),
             f"{statistics.median(_column(runs, 'pss')) / MIB:.1f}",
             f"{statistics.median(_column(runs, 'rss')) / MIB:.1f}",
             str(sum(_column(runs, "errors")))] for proxy, runs in results.items()]
    return _joined([f"{scenario.name}: {connections} {scenario.about}", _table([head, *rows]),
                    _ratios(results, "bytes", "memory per connection, less is better")])


def calls(scenario, counted):
    """What the calls were, where nothing was timed."""
    rows = [["", f"I/O calls/{scenario.unit}", "other", ""]]
    for proxy, found in counted.items():
        each = ", ".join(f"{name} {n:.2f}" for name, n in found["calls"].items())
        rows.append([proxy, f"{found['io']:.2f}", f"{found['waits']:.2f}", each])
    return f"{scenario.name}: {scenario.about}\n{_table(rows)}"


def scenario_text(scenario, results, counted, connections):
    if counted and not results:
        return calls(scenario, counted)
    if not results:
        return f"{scenario.name}: nothing measured"
    if scenario.idle:
        return idle(scenario, results, connections)
    return load(scenario, results, counted)
