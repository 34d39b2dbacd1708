"""Models of AI providers behind routes: which are asked, what prompts may say, how many tokens are used."""
