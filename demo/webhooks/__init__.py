"""Webhook deliveries of a World, signed and posted as GitHub does."""
