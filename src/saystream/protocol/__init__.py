"""The wire protocols, network taken out: text in, events out. No asyncio, sockets, clock or random source."""
