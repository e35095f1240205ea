"""What a run shows: one offline HTML page, one picture, one text. Reads run directories and changes nothing but the page it writes."""
