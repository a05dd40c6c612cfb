"""How writing is pronounced: what several engines share."""
