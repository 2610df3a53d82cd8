"""The product's version, shown in /health, the heartbeat and the User-Agent."""

VERSION = "0.1.0"
