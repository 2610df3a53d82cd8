"""The front layer of both servers, ahead of any routing: by which names they answer, which pages may send to them, how
large and how slow a request may be, and how many connections there are. Knows nothing of runs, keys or logins."""
