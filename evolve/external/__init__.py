"""Candidates from outside: people, coding agents and scripts ask for an order and hand in programs.

One driver owns the archive and the search; everybody else talks to it over HTTP (`evolve serve`), or is it for a
moment (`evolve ask`, `evolve tell`). `desk` is the bridge, `app` the HTTP side of it, `client` and `once` what the
command line uses. Only `app`, `forms`, `server` and `patience` know FastAPI, pydantic, uvicorn and h11.
"""
