"""A Client: one engine, with a blocking and an asynchronous face."""
