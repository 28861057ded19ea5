import asyncio


async def producer(queue, name, count):
    for i in range(count):
        await queue.put((name, i))
        await asyncio.sleep(0)


async def consumer(queue, seen):
    while True:
        name, i = await queue.get()
        seen.setdefault(name, []).append(i)
        queue.task_done()


async def echo_server(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def main():
    queue = asyncio.Queue(maxsize=4)
    seen = {}
    consumers = [asyncio.create_task(consumer(queue, seen)) for _ in range(3)]
    await asyncio.gather(*(producer(queue, name, 50) for name in "abc"))
    await queue.join()
    for task in consumers:
        task.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)
    print({name: sum(numbers) for name, numbers in sorted(seen.items())})

    try:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(60)
    except TimeoutError:
        print("gave up waiting")

    # The sandbox has a loopback interface of its own.
    server = await asyncio.start_server(echo_server, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello over tcp\n")
        print((await reader.readline()).decode().strip())
        writer.close()
        await writer.wait_closed()


asyncio.run(main())
