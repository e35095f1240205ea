"""People say which paths of a domain are mathematics: a journal of decisions, a local page, a spreadsheet, a model that proposes."""
