"""The demo's shop: a small site of its own, on an origin of its own, that uses the platform as any customer would."""
