"""The wire protocols without the network: text in, events out. No asyncio, sockets, clock or random source."""
