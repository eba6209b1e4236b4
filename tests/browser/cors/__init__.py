"""Sites whose front end stands at another origin: each framework with the CORS package that its people use."""
