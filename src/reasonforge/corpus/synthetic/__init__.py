"""A web that never was: seeded pages in the forms that a crawl has, with the truth about every one of them beside it."""
