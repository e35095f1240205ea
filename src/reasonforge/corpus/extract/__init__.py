"""HTML to text that keeps mathematics: :func:`reasonforge.corpus.extract.page.extract_html`."""
