"""Tells everybody what one says, and who said it."""

import asyncio
import os
from urllib.parse import unquote

from aiohttp import WSMsgType, web

everybody = set()


async def talk(request):
    user = unquote(request.headers["Portcullis-Subject"])
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    everybody.add(socket)
    try:
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                for other in list(everybody):
                    await other.send_str(f"{user}: {message.data}")
    finally:
        everybody.discard(socket)
    return socket


async def main():
    app = web.Application()
    app.router.add_get("/", talk)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", int(os.environ.get("PORT", 8080)))
    await site.start()
    print("listening on port", runner.addresses[0][1], flush=True)
    await asyncio.Future()


asyncio.run(main())
