"""Pages that look like mathematics from afar: figures, formulas of a trade, dollars that are money."""

from __future__ import annotations

from reasonforge.corpus.synthetic.grammar import Grammar

NEAR = {
    "accounting": Grammar(
        {
            "title": ["{Name} Ltd: quarterly statement", "How to book {entry}", "Balance sheet explained", "VAT guide {year}", "{entry} in practice"],
            "entry": ["depreciation", "accrued interest", "goodwill", "a lease", "deferred tax", "inventory", "receivables", "petty cash"],
            "sentence": [
                "Revenue rose from {price} million to {price} million, or {pct}.", "Debit the {entry} account {price} and credit cash {price}.",
                "The ratio of debt to equity was {n1}.{n2} at year end.", "Net margin = profit / revenue = {pct}.", "We charge {price} a month, {price} with {entry}.",
                "Under the standard, {entry} is spread over {n1} years.", "Total: {n4} + {n4} - {n3}.", "Tax due on {entry} is {pct} of the assessed value.",
                "The auditors of {Name} found no error in {entry}.", "Interest of {pct} on {price} gives {price} after {n1} months.", "Form {n3}-B must be filed by the {n1}th.",
            ],
        }
    ),
    "sports": Grammar(
        {
            "title": ["{Place} {n2} - {n2} {Place}", "{Name}'s batting average this season", "Season {year} statistics", "Fantasy picks, week {n1}"],
            "sentence": [
                "{Name} scored {n2} points on {n2} attempts, {pct} from the field.", "{Place} lead the table with {n2} points, {n1} ahead of {Place}.",
                "His average of {n1}.{n2} is the best since {year}.", "The {Place} side won {n1} - {n1} after extra time.", "Record: {n2} wins, {n2} losses, {n1} draws.",
                "{Name} ran the {n3} metres in {n2}.{n2} seconds.", "That makes the probability of a playoff place {pct}, says {Name}.",
                "Coach {Name} changed the formation to 4-3-{n1}.", "Goals per game: {n1}.{n2}; assists: {n2}.", "The function of the midfielder is to close the angle.",
            ],
        }
    ),
    "code": Grammar(
        {
            "title": ["How do I fix {err} in {lang}", "{lang} tutorial {n1}: {part}", "[solved] {part} returns undefined", "jQuery $ is not defined"],
            "lang": ["PHP", "bash", "Perl", "JavaScript", "PowerShell", "TypeScript"],
            "err": ["a null pointer", "error {n3}", "the missing semicolon", "a race", "the stack trace"],
            "part": ["the loop", "the array", "a callback", "the regex", "string escaping", "the class", "the index"],
            "var": ["$x", "$total", "$this", "$i", "$_", "$price", "$user", "$row"],
            "sentence": [
                "Hi all, I am stuck: {var} = {var} + {n1} gives {n3} instead of {n2}.", "In {lang}, {var} expands before {var}, so quote it.",
                "Use $('#id{n1}') and bind {part} with .on('click').", "for ({var} = 0; {var} < {n2}; {var}++) prints {part} twice.",
                "Your mistake is in the second line, remove {var} there.", "Can someone explain why {part} returns -1?", "Set {var} to null first, then call {part}.",
                "Thanks so much, {var} was the problem!", "The function takes {n1} arguments and returns {part}.", "Version {n1}.{n1}.{n2} of {lang} changed {part}.",
                "I tried to log {var} but ended up with {err}.", "Hint: check {part} with a unit test first.",
            ],
        }
    ),
    "spreadsheet": Grammar(
        {
            "title": ["Excel: {fn} with two conditions", "{fn} returns #VALUE!", "Loan calculator in a spreadsheet", "Pivot table, part {n1}"],
            "fn": ["SUMIF", "VLOOKUP", "ROUND", "INDEX", "PMT", "AVERAGE", "COUNTIF"],
            "cell": ["A{n1}", "B{n2}", "$C${n1}", "D{n1}", "(E{n1} + F{n1})", "x{n1}", "x"],
            "calc": [
                "= {cell} / {cell} * {n2}", "={fn}({cell}; {cell}; {n1})", "= ({cell} - {cell})^2 / {n1}", "= {cell} + {n2} * {cell} - {n1}", "={fn}({cell}^{n1})",
                "{cell} = {n1}{cell} + {n2}",
            ],
            "sentence": [
                "Put {calc} into cell {cell} and press enter.", "I keep getting {calc} which my boss says is wrong.", "The rate is {calc}, so {price} becomes {price}.",
                "Copy {calc} down to row {n3}.", "My attempt so far: {calc} and then {calc}, but the column shows {n2}.", "Use {fn} instead of {fn}.",
                "What do you get if you enter {calc}?", "Then the sheet solves {calc} for you.", "Format {cell} as a currency first.", "The {fn} answer was {calc} for {cell}.",
                "Hi all, how do I solve this: {calc} gives {n3}?", "Just multiply both columns, {calc}, and sum them.",
            ],
        }
    ),
    "howto": Grammar(
        {
            "title": ["How to tile a floor of {n2} square feet", "Measure your {room} for curtains", "Converting cups to grams", "{n1} steps to a new {room}"],
            "room": ["bathroom", "kitchen", "patio", "garage", "loft", "nursery"],
            "sentence": [
                "Measure {n2} inches from the left and mark a right angle.", "Multiply the length by the width: {n2} x {n1} = {n3} square feet.",
                "Cut {n1} boards of {n2} cm each for the {room}.", "Step {n1}: mix one part of cement with {n1} parts of sand.", "You need {n1} litres of paint per {n2} square metres.",
                "A {n2} degree slope is enough for the {room}.", "Divide the total by {n1} and add {pct} for waste.", "The problem with a round {room} is the centre.",
                "Expect to pay {price} for tiles and {price} for labour.", "Draw a line between the two points, then find the middle.", "Repeat until the {room} is level.",
            ],
        }
    ),
    "polls": Grammar(
        {
            "title": ["Poll: {pct} of {Place} back {Name}", "Survey results {year}", "What the numbers say about {Place}", "Lottery odds explained"],
            "sentence": [
                "{pct} of {n4} people asked said yes, up {n1} points.", "The margin of error is {n1}.{n1} points.", "In {Place}, {pct} were undecided.",
                "The sample of {n4} was weighted by age and region.", "One in {n1} voters in {Place} did not answer.", "On average a household in {Place} spends {price} a week.",
                "The chance to win is one in {n4}.", "{Name} leads by {n1} points among those under {n2}.", "The index stands at {n3}.{n1}, says {Name} of {Place}.",
            ],
        }
    ),
}  # fmt: skip
"""By subject."""
