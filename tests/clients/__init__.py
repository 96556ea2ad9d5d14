"""Other people's clients, driven against the lab: `make clients`.

Each command, task or call is a test that passes if the client says so and shows what it should.
"""
