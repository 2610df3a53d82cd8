"""Settings, logging, text, time and HTTP for all programs. VERSION appears in /health, heartbeats and User-Agent."""

VERSION = "0.1.0"
