"""Ground floor: the records that flow between stages, derived seeds, stable ids and the errors a user may see. No torch here."""
