"""The task protocol (``/api-ws/v1/inference``) of CosyVoice and Sambert: its commands, its events and its states."""
