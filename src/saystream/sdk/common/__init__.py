"""What the doors of the SDK share."""
