"""HTTP for all programs.

Servers: ASGI middleware of API and dashboard that checks host names, origins, bodies and the number of connections
before routing. Clients: requests and urllib with limits for the time and size of responses."""
