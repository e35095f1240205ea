"""Tables of answers: ordinary ones that must be correct in ``strict``, and hacks that must not be."""

from __future__ import annotations

# (reference, answer): the answer says the same in another way.
ORDINARY: list[tuple[str, str]] = [
    # Plain numbers.
    ("18", "18"), ("18", " 18 "), ("18", "18."), ("18", "+18"), ("18", "18.0"), ("18.0", "18"), ("18", "018"), ("-7", "−7"), ("-7", "–7"),
    ("7", "\\text{7}"), ("7", "\\textbf{7}"), ("7", "**7**"), ("7", "$7$"), ("7", "\\(7\\)"), ("7", "\\[7\\]"), ("7", "{7}"),
    ("7", "(7)"),
    ("1234567", "1,234,567"), ("1,234,567", "1234567"), ("12345", "12\\,345"), ("12345", "12{,}345"), ("12345", "12,\\!345"),
    ("1000", "1 000"),
    ("5", "\\text{The answer is }5"), ("5", "the final answer is 5"), ("0.25", ".25"), ("-0.5", "-.5"), ("3", "3.000"),
    # Fractions, mixed numbers, decimals, repeating decimals.
    ("1/2", "0.5"), ("0.5", "\\frac{1}{2}"), ("\\frac{1}{2}", "\\frac12"), ("\\frac{1}{2}", "\\dfrac{2}{4}"), ("\\frac{1}{2}", "½"),
    ("\\frac{1}{2}", "1/2"),
    ("-\\frac{3}{4}", "\\frac{-3}{4}"), ("-\\frac{3}{4}", "\\frac{3}{-4}"), ("\\frac{7}{3}", "2\\frac{1}{3}"), ("7/3", "2 1/3"),
    ("\\frac{7}{2}", "3½"),
    ("1/3", "0.\\overline{3}"), ("\\frac{41}{333}", "0.\\overline{123}"), ("1/3", "0.3333333333333333"), ("0.3", "0.30000000000000004"),
    ("\\sqrt{2}", "1.4142135623730951"), ("\\frac{12}{5,\\!525}", "12/5525"), ("3/4", "\\frac{3}{4}\\text{ cups}"),
    ("\\frac{9}{7}", "\\frac 97"),
    ("\\frac{3}{4}", "\\tfrac34"), ("0.75", "\\cfrac{3}{4}"), ("3.5", "\\frac{7}{2}"), ("0", "-0"), ("0", "0/5"),
    # Scientific notation, powers, large numbers.
    ("300000000", "3e8"), ("1500", "1.5 \\times 10^{3}"), ("1500", "1.5\\cdot10^3"), ("0.001", "10^{-3}"), ("1000000", "1 million"),
    ("5000000", "5 million"),
    ("1024", "2^{10}"), ("25", "5^2"), ("2^{2005}", "2^{2005}"), ("10^{9}", "1,000,000,000"), ("6.02e23", "6.02 × 10^{23}"),
    # Percent, money, units, angles, times of day.
    ("50\\%", "50%"), ("50\\%", "50 percent"), ("12.5%", "\\frac{25}{2}\\%"), ("35", "35 dollars"), ("35", "\\$35"), ("\\$35.50", "35.5"),
    ("35", "€35"),
    ("35", "35元"), ("5 cm", "5\\text{ centimeters}"), ("5", "5\\ \\mathrm{cm}"), ("5\\text{ cm}^2", "5"), ("20", "20 apples"),
    ("90\\text{ square units}", "90"),
    ("99\\pi", "99\\pi \\text{ square inches}"), ("5\\sqrt{2}", "5\\sqrt{2} cm"), ("60", "60 km/h"), ("90^\\circ", "90"), ("90", "90°"),
    ("90^\\circ", "90 degrees"), ("90^\\circ", "\\frac{\\pi}{2}"), ("\\frac{\\pi}{3}", "60^\\circ"), ("27^\\circ, 63^\\circ", "63, 27"),
    ("4:30 p.m.", "4:30 PM"), ("\\text{4:30 p.m.}", "16:30"), ("9\\text{ a.m.}", "9:00 am"), ("10:30", "10:30 a.m."),
    ("下午4:30", "16:30"), ("8:05", "8时5分"),
    ("144 \\mbox{ m}^3", "144"), ("12 \\text{ gm}", "12"), ("450", "450 \\mathrm{~m}"),
    # Full-width and Chinese.
    ("18", "１８"), ("-1.5", "－１．５"), ("(1,2)", "（1，2）"), ("36", "三十六"), ("三十六", "36"), ("2024", "二〇二四"), ("18", "18个"),
    ("18", "18 个"),
    ("3", "3。"), ("50000", "5万"), ("2/3", "三分之二"), ("50%", "百分之五十"), ("18", "十八元"), ("\\emptyset", "无解"),
    ("1, 2", "1、2"), ("1, 2", "1或2"),
    # Surds, pi, complex numbers.
    ("2\\sqrt{3}", "\\sqrt{12}"), ("\\sqrt{3}/3", "\\frac{1}{\\sqrt{3}}"), ("\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt 2}"),
    ("3\\sqrt5", "3√5"), ("√2", "\\sqrt2"),
    ("2-\\sqrt{3}", "\\frac{1}{2+\\sqrt{3}}"), ("5+2\\sqrt{6}", "(\\sqrt2+\\sqrt3)^2"),
    ("\\frac{\\sqrt{65}}{2}", "\\sqrt{\\frac{65}{4}}"), ("2^{1/2}", "\\sqrt2"),
    ("\\sqrt[3]{54}", "3\\sqrt[3]{2}"), ("\\frac{9\\pi}{2}", "4.5\\pi"), ("\\frac{21}{2}\\pi", "\\frac{21\\pi}{2}"), ("2π", "2\\pi"),
    ("3-2i", "-2i+3"),
    ("\\frac{1}{5}+\\frac{3}{5}i", "\\frac{1+3i}{5}"), ("i", "\\frac{-1}{i}"), ("-1", "i^2"), ("\\frac{i}{5}", "0.2i"),
    ("2\\sqrt{2}i", "\\sqrt{-8}"), ("-2", "\\sqrt[3]{-8}"),
    ("\\frac{1+\\sqrt5}{2}", "\\frac{1}{2}+\\frac{\\sqrt{5}}{2}"), ("e^{i\\pi}", "-1"), ("e^2", "e^{2}"),
    ("\\sqrt{3} + 1", "1 + 3^{\\frac{1}{2}}"), ("3", "|-3|"),
    # Expressions.
    ("x+1", "1+x"), ("(x+1)^2", "x^2+2x+1"), ("7x(x-1)(x-2)", "7x^3-21x^2+14x"), ("\\frac{x+2}{7}", "\\frac{1}{7}x+\\frac{2}{7}"),
    ("\\frac{2}{r}", "2r^{-1}"),
    ("36x \\sqrt{35x}", "36\\sqrt{35}x^{3/2}"), ("\\frac{h^2}{m}", "h^2/m"), ("\\frac{1}{x-1}", "\\frac{-1}{1-x}"),
    ("\\frac{x^2-1}{x-1}", "x+1"),
    ("xy", "yx"), ("2a", "2 a"), ("2\\tan x", "2\\tan(x)"), ("\\sin^2 x", "(\\sin x)^2"), ("3-2f(x)", "-2f(x)+3"),
    ("x_1+x_2", "x_{2}+x_{1}"), ("\\lfloor x \\rfloor", "\\lfloor x\\rfloor"),
    ("x^{2}", "x²"), ("x*y*z", "xyz"), ("\\log_2 3", "\\log_{2}(3)"), ("\\binom{10}{3}", "120"), ("5!", "120"), ("\\overline{CD}", "CD"),
    # Tuples, lists, sets, intervals, regions, matrices.
    ("(1,5)", "(1, 5)"), ("(1,5)", "\\left(1,5\\right)"), ("(\\frac12, 3)", "(0.5,3)"),
    ("(3,\\frac{\\pi}{2})", "\\left( 3, \\frac{\\pi}{2} \\right)"),
    ("1,-2", "-2, 1"), ("1,-2", "\\{1,-2\\}"), ("\\{1\\pm\\sqrt{5},-2\\}", "\\{-2, 1+\\sqrt5, 1-\\sqrt5\\}"),
    ("1\\pm\\sqrt{2}", "1+\\sqrt2, 1-\\sqrt2"),
    ("7, -2, \\text{ and } -5", "-5, -2, 7"), ("0,1", "x = 0 \\text{ or } x = 1"), ("x=2,x=3", "2 and 3"), ("100, 200", "100,200"),
    ("\\frac{1\\pm\\sqrt5}{2}", "\\frac{1-\\sqrt5}{2}, \\frac{1+\\sqrt5}{2}"),
    ("[0,\\infty)", "x \\ge 0"), ("(-\\infty,3]", "x\\le3"), ("(-\\infty,3]", "3 \\geq x"), ("(1,3)", "1<x<3"), ("[1,3)", "1 \\le x < 3"),
    ("x>5", "(5,\\infty)"),
    ("(-\\infty,0)\\cup(0,\\infty)", "x \\ne 0"), ("(-\\infty,-2]\\cup[2,\\infty)", "x \\le -2 \\text{ or } x \\ge 2"),
    ("(2,12)\\cup(12,102)", "(12,102) \\cup (2,12)"),
    ("[0,5]", "[0,2]\\cup[2,5]"), ("(-\\infty,\\infty)", "\\mathbb{R}"), ("(-\\infty,1)\\cup(1,\\infty)", "\\mathbb{R}\\setminus\\{1\\}"),
    ("[2,3]", "x\\in[2,3]"), ("x>5", "5<x"),
    ("\\emptyset", "\\varnothing"), ("\\emptyset", "\\{\\}"), ("\\text{no solution}", "\\emptyset"), ("[5,5\\sqrt2]", "[5, \\sqrt{50}]"),
    ("\\begin{pmatrix} 1 \\\\ 3 \\end{pmatrix}", "\\begin{bmatrix}1\\\\3\\end{bmatrix}"),
    ("\\begin{pmatrix} 1/2 & 0 \\\\ 0 & 1 \\end{pmatrix}", "\\begin{pmatrix}\\frac12&0\\\\0&1\\end{pmatrix}"),
    ("\\begin{pmatrix} 2 \\\\ 5 \\end{pmatrix}", "\\begin{pmatrix}2\\\\5\\\\\\end{pmatrix}"),
    # Equations, ratios, bases.
    ("x=4", "4"), ("4", "x=4"), ("4", "AB = 4"), ("y=2x", "2x"), ("f(x)=2x", "2x"), ("y = 2x", "2x - y = 0"),
    ("10x - 4y - 5z - 20 = 0", "10x-4y-5z=20"), ("x^2+y^2=13", "13=y^2+x^2"),
    ("x - 3z = 0", "x = 3z"), ("\\frac{x^2}{16}-\\frac{y^2}{9}=1", "9x^2-16y^2=144"), ("2:3", "4:6"), ("2:3", "2 : 3"),
    ("1:2:3", "1 : 2 : 3"), ("4210_7", "4210_{7}"), ("2516_8", "2516_8"),
    # Words.
    ("Yes", "yes"), ("\\text{Sunday}", "Sunday"), ("\\text{(C)}", "C"), ("\\text{(C)}", "\\textbf{(C)}"), ("\\text{(C)}", "(C) 12"),
    ("C", "\\text{C}"), ("\\text{ellipse}", "an ellipse"),
    ("\\text{A,D}", "D, A"), ("True", "\\text{True}"), ("June 20", "\\text{June 20}"), ("\\text{Evelyn}", "Evelyn."),
    ("does not exist", "DNE"), ("B, C", "B and C"), ("\\text{MAKE}", "MAKE"),
]  # fmt: skip

# (reference, answer): the answer says something else, hedges, or leaves the work to the reader.
HACKS: list[tuple[str, str]] = [
    # Several answers, chains, open ends.
    ("5", "4=5"), ("5", "1=2=3=4=5"), ("5", "5=5"), ("5", "x=4=5"), ("5", "5 \\text{ or more}"), ("5", "5 or more"), ("5", "at least 5"),
    ("5", "\\ge 5"), ("5", "x \\ge 5"), ("5", ">5"),
    ("5", "5 or 6"), ("5", "5, 6"), ("5", "4, 5, 6"), ("5", "1,2,3,4,5,6,7"), ("5", "1, 2, \\ldots, 10"), ("5", "\\{4,5\\}"),
    ("5", "5 \\pm 1"), ("5", "\\pm 5"), ("5", "[4,6]"), ("5", "[5,5]"),
    ("5", "~5"), ("5", "≈5"), ("5", "\\approx 5"), ("5", "about 5"), ("5", "around 5"), ("5", "5?"), ("5", "5 (or 6)"), ("5", "5/6"),
    ("5", "5; 6"), ("5", "5 and 6"), ("5", "either 5 or 6"), ("5", "5-6"),
    ("5", "5\\text{ if }x>0"), ("5", "not 5"), ("5", "\\neq 5"), ("5", "x \\ne 5"), ("5", "x"), ("5", "5x"), ("5", "n=5 or n=6"),
    ("2, 3", "1, 2, 3"), ("2, 3", "2"), ("2, 3", "2, 3, 3, 4"), ("1, 1, 2", "1, 2, 2"),
    ("x=1", "(x-1)(x-2)=0"), ("x=1", "x=x"), ("x=1", "0=0"), ("y=2x", "0=0"), ("y=2x", "y=y"), ("x=5", "y=5"), ("x-1=0", "(x-1)^2=0"),
    ("y=2x", "y=2x+1"), ("x+y=1", "x+y=2"),
    # Work left to the reader.
    ("5", "2+3"), ("18", "9*2"), ("18", "9 \\times 2"), ("18", "(16-3-4) \\cdot 2"), ("120", "5!"), ("5", "6-1"), ("5", "x=2+3"),
    ("10", "\\binom{5}{2}"), ("5", "5^2 - 20"), ("5", "5/1/1"), ("3/4", "1/4+1/2"),
    # Factors of 100, percent, units.
    ("5", "5\\%"), ("50\\%", "50"), ("0.5", "50\\%"), ("50\\%", "0.5"), ("25", "2500"), ("1", "100"), ("800", "8"), ("0.05", "0"),
    ("5 cm", "5 mm"), ("5 cm", "5 m"), ("5 cm", "5\\text{ m}"), ("\\$5", "€5"),
    ("5\\text{ cm}", "5\\text{ cm}^2"), ("5", "5 million"), ("5", "5 hundred"), ("5", "5 dozen"), ("5", "5万"), ("5", "5多个"),
    ("5", "约5"), ("5", "5个或6个"), ("5", "5个以上"),
    # Near, not equal.
    ("0.3333", "0.333333"), ("1/3", "0.333"), ("1/3", "0.33333"), ("3.14", "\\pi"), ("\\pi", "3.14"), ("\\pi", "22/7"),
    ("\\pi", "3.14159"), ("\\sqrt{2}", "1.414"), ("2", "1.99999999"), ("1", "0.9999999"), ("1000000000", "1000000001"),
    # Order, brackets, ends, signs.
    ("(1,5)", "(5,1)"), ("(1,5)", "1,5"), ("(1,5)", "\\{1,5\\}"), ("\\{1,5\\}", "(1,5)"), ("(5,1)", "\\{1,5\\}"), ("(1,5)", "[1,5]"),
    ("[1,5)", "(1,5]"), ("(1,5)", "1 \\le x \\le 5"), ("[0,\\infty)", "x>0"), ("(-\\infty,3]", "x \\ge 3"),
    ("(0,1)", "(0,1)\\cup(1,2)"), ("\\mathbb{R}", "x \\ne 0"), ("(1,2,3)", "(1,2)"), ("(1,2)", "(1,2,3)"),
    ("\\begin{pmatrix} 1 \\\\ 3 \\end{pmatrix}", "\\begin{pmatrix} 3 \\\\ 1 \\end{pmatrix}"),
    ("\\begin{pmatrix} 1 \\\\ 3 \\end{pmatrix}", "\\begin{pmatrix} 1 & 3 \\end{pmatrix}"),
    ("\\begin{pmatrix} 1&2 \\\\ 3&4 \\end{pmatrix}", "\\begin{pmatrix} 1&3 \\\\ 2&4 \\end{pmatrix}"), ("-5", "5"), ("5", "-5"),
    ("5", "|5|-10"),
    ("\\emptyset", "0"), ("\\emptyset", "\\{0\\}"), ("\\infty", "-\\infty"), ("0", "\\emptyset"), ("\\infty", "10^{300}"), ("2:3", "3:2"),
    ("1:2:3", "1:2"), ("4210_7", "4210"), ("4210_7", "4210_8"),
    # Names and expressions.
    ("AB", "BA"), ("a", "A"), ("x", "y"), ("x^2", "2x"), ("x+1", "x"), ("\\sin x", "\\cos x"), ("\\sqrt{x}", "x"), ("x^2", "x^3"),
    ("2\\sqrt{3}", "3\\sqrt{2}"), ("\\sqrt{2}+\\sqrt{3}", "\\sqrt{5}"), ("i", "-i"), ("3-2i", "3+2i"), ("\\log_2 3", "\\log_3 2"),
    ("xy", "x+y"), ("\\frac{1}{x}", "x"), ("2^x", "x^2"), ("52", "5²"), ("12", "1 2"), ("15", "1,5"), ("123", "1,23"), ("5", "555"),
    ("5", "5 5"), ("5", "5.5.5"), ("5", ""), ("5", "\\text{five or six}"), ("x", "\\text{x or y}"),
    # Words, times, letters, noise.
    ("4:30 p.m.", "4:30"), ("4:30 p.m.", "4:30 a.m."), ("4", "4:30 p.m."), ("10:30", "10/30"), ("\\text{even}", "\\text{odd}"),
    ("\\text{even}", "even or odd"), ("Yes", "Yes and no"), ("True", "False"), ("\\text{(C)}", "(C) or (D)"), ("C", "C, D"), ("C", "D"),
    ("Sunday", "Monday"), ("\\text{no solution}", "0"), ("5", "__import__('os')"), ("5", "eval('5')"), ("5", "correct"), ("5", "<5>"),
    ("5", "5 \\boxed"), ("5", "gold"), ("5", "the same as the reference"), ("5", "5\\text{ is wrong}"), ("5", "\\sqrt{-1}"),
    ("5", "\\frac{5}{0}"), ("0", "0/0"), ("5", "nan"), ("5", "inf"), ("0", "10^{-400}"), ("5", "9^{9^9}"),
]  # fmt: skip

# (reference, completion, why): not correct in strict although the reference stands in a box or after a phrase.
COMPLETION_HACKS: list[tuple[str, str, str]] = [
    ("5", "<think>so \\boxed{5}</think>", "only in thinking"), ("5", "<think>so 5</think>", "only in thinking"),
    ("5", "<think>so \\boxed{5}", "thinking never ends"),
    ("5", "\\boxed{5}</think>", "only in thinking whose start stood in the prompt"),
    ("5", "<think>a</think><think>\\boxed{5}", "thinks again"),
    ("5", "\\boxed{5}. Wait, actually 6.", "taken back"), ("5", "\\boxed{5}. Wait, that's wrong.", "taken back"),
    ("5", "\\boxed{5}. Hmm, it should be 7.", "taken back"),
    ("5", "\\boxed{5}\nActually, the answer is 6.", "taken back"), ("5", "\\boxed{5}. The answer is 6.", "declared otherwise"),
    ("5", "\\boxed{5}\n\nSorry, I made a mistake.", "taken back"),
    ("5", "\\boxed{5}。不对，应该是6。", "taken back"), ("5", "\\boxed{5}，等等，其实是6。", "taken back"),
    ("5", "\\boxed{5} or 6", "offers another"), ("5", "\\boxed{5} or more", "open end"), ("5", "$\\boxed{5}$ or $6$", "offers another"),
    ("5", "\\boxed{5} and \\boxed{6}", "two boxes"), ("6", "\\boxed{5} and \\boxed{6}", "two boxes"),
    ("5", "\\boxed{5}\\boxed{6}\\boxed{5}", "two boxes"), ("6", "\\boxed{5 \\boxed{6}}", "a box in an answer"),
    ("5", "\\boxed{5 \\boxed{6}}", "a box in an answer"), ("5", "<answer>5</answer><answer>6</answer>", "two blocks"),
    ("6", "<answer>5</answer><answer>6</answer>", "two blocks"), ("6", "\\boxed{5} <answer>6</answer>", "box and block differ"),
    ("5", "<answer>\\boxed{5} or \\boxed{6}</answer>", "two boxes in a block"),
    ("6", "<answer>\\boxed{5} or \\boxed{6}</answer>", "two boxes in a block"), ("6", "#### 5\n#### 6", "two lines"),
    ("5", "The answer is not \\boxed{5}", "denied"), ("5", "The answer isn't \\boxed{5}.", "denied"),
    ("5", "答案不是\\boxed{5}", "denied"), ("5", "5", "nothing declared"), ("5", "1 2 3 4 5", "nothing declared"),
    ("5", "I think it is 5.", "nothing declared"), ("5", "The answer is 5 or 6.", "hedged"),
    ("5", "The answer is at least 5.", "open end"),
    ("5", "the answer could be anything, 5 say", "nothing declared"), ("5", "\\boxed{5", "not closed"), ("5", "boxed{5}", "no box"),
    ("5", "<answer>5", "not closed"), ("5", "\\boxed{}5", "empty box"), ("5", "The answer is between 4 and 6, so 5", "hedged"),
    ("5", "<answer>5 6</answer>", "two numbers"), ("5", "<think>\\boxed{5}</think> The answer is 6.", "thinking and answer differ"),
]  # fmt: skip

# (reference, completion): correct in strict, wherever the answer stands.
COMPLETIONS: list[tuple[str, str]] = [
    ("5", "so \\boxed{5}."), ("5", "<think>6?</think>\\boxed{5}"), ("5", "<think>\\boxed{6}</think>\n\nThe answer is \\boxed{5}."),
    ("5", "<think>a</think><answer>5</answer>"), ("5", "<think>a</think><answer>The answer is \\boxed{5}</answer>"),
    ("5", "a</think>b</think>\\boxed{5}"), ("5", "\\fbox{5}"), ("5", "\\boxed{5}<|im_end|>"), ("5", "#### 5"),
    ("5", "2 + 3 = 5\n#### 5\n"), ("5", "The answer is 5."), ("5", "The final answer is: $5$."), ("5", "**Answer:** 5"),
    ("5", "Answer: **5**"),
    ("5", "答案：5"), ("5", "最终答案是5。"), ("5", "所以答案为 5 个。"), ("5", "【答案】5<eoa>"), ("5", "\\boxed{5} \\boxed{5.0}"),
    ("1/2", "\\boxed{\\frac12} = \\boxed{0.5}"), ("5", "\\boxed{5}. Wait, let me check: 2 + 3 = 5."),
    ("5", "\\boxed{5}\n\nNote that 5 is prime."),
    ("0.5", "\\boxed{0.5} or 1/2"), ("5", "```python\nprint(5)\n```\n```output\n5\n```"),
    ("5", "```output\n5\n```\nThe answer is $\\boxed{5}$."), ("2, 3", "x = \\boxed{2} or x = \\boxed{3}"), ("50\\%", "\\boxed{50}\\%"),
    ("5", "\\boxed{\\boxed{5}}"),
    ("5", "The answer is $5$ because $2 + 3 = 5$."), ("5", "The answer is:\n$5$"), ("5", "\\boxed 5"), ("5", "\\boxed{\n5\n}"),
    ("5", "First \\boxed{5}, as shown. Therefore the answer is 5."), ("5", "The answer to the question is 5\r\n"),
    ("5", "\ufeff\\boxed{5}"),
]  # fmt: skip
