"""How text is pronounced: shared by several engines."""
