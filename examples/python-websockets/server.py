"""Tells everybody what one says, and who said it."""

import asyncio
import os
from urllib.parse import unquote

import websockets

everybody = set()


def user_of(socket):
    # Before version 14 the headers are an attribute of the socket itself.
    request = getattr(socket, "request", None)
    headers = request.headers if request else socket.request_headers
    return unquote(headers["Portcullis-Subject"])


async def talk(socket):
    everybody.add(socket)
    try:
        async for text in socket:
            websockets.broadcast(everybody, f"{user_of(socket)}: {text}")
    finally:
        everybody.discard(socket)


async def main():
    port = int(os.environ.get("PORT", 8080))
    # The origin arrives as the browser sent it. The gate has checked it already.
    origins = ["https://app.example.com"]
    async with websockets.serve(talk, "127.0.0.1", port, origins=origins) as server:
        print("listening on port", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
