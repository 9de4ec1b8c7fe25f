"""Mohet Keys: keep, check and switch the API keys of your AI providers."""
