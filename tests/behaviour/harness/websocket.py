"""A websockets server that echoes."""

import asyncio
import contextlib
import threading

import websockets

from harness import net, settings


@contextlib.contextmanager
def echo():
    """In a thread; the address it listens on."""
    started = threading.Event()
    port = net.free_port()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def handler(socket):
        async for message in socket:
            await socket.send(message)

    async def serve():
        async with websockets.serve(handler, net.ADDRESS, port, max_size=None):
            started.set()
            await stop.wait()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(settings.TIMEOUT)
    try:
        yield f"{net.ADDRESS}:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(settings.TIMEOUT)
        loop.close()
