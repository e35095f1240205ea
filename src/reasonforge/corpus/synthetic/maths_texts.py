"""What pages of mathematics say, in four dialects. ``{f}`` is a formula in the line, ``{d}`` one of its own."""

from __future__ import annotations

from reasonforge.corpus.synthetic.grammar import Grammar

TOPICS = {
    "algebra": ("group", "ring", "ideal", "field extension", "module", "homomorphism", "polynomial ring", "quotient group", "normal subgroup", "kernel"),
    "analysis": ("continuous function", "Cauchy sequence", "uniform limit", "compact interval", "power series", "integrable function", "measure", "norm"),
    "geometry": ("triangle", "circumscribed circle", "parallelogram", "tangent line", "ellipse", "angle bisector", "inscribed angle", "tetrahedron"),
    "numbers": ("prime", "residue class", "greatest common divisor", "Diophantine equation", "quadratic residue", "perfect number", "arithmetic function"),
    "linear": ("vector space", "linear map", "eigenvalue", "determinant", "basis", "inner product", "orthogonal complement", "Jordan block", "rank"),
    "chance": ("random variable", "conditional expectation", "independent event", "Markov chain", "variance", "martingale", "density", "moment"),
    "counting": ("permutation", "generating function", "bipartite graph", "partition", "recurrence", "matching", "colouring", "spanning tree"),
    "topology": ("open cover", "closed set", "homotopy", "covering space", "connected component", "metric space", "fundamental group", "manifold"),
}  # fmt: skip
"""English terms by field."""

TEXTBOOK = Grammar(
    {
        "title": [
            "{section} The {thing} and its {aspect}", "{section} {Thing} of finite type", "Chapter {n1}: {Thing}", "{section} Exercises on the {thing}",
            "Lecture {n1}. The {thing} in detail", "{section} On the {aspect} of a {thing}", "Notes on the {thing}", "{section} {Name}'s theorem",
        ],
        "section": ["{n1}.{n1}", "§ {n1}", "Section {n1}.{n1}", "Unit {n2}:"],
        "aspect": ["uniqueness", "existence", "main properties", "characterisation", "decomposition", "classification", "convergence", "applications"],
        "head": [
            "Theorem {n1}.{n1}", "Definition {n1}.{n2}", "Lemma {n1}.{n1}", "Proposition {n2}", "Corollary {n1}.{n1}", "Proof", "Remark {n1}", "Example {n1}.{n1}",
            "Exercise {n2}", "Solution",
        ],
        "kind": ["theorem", "lemma", "proposition", "corollary", "identity", "definition"],
        "adj": ["arbitrary", "nonzero", "finite", "bounded", "nontrivial", "given", "fixed", "positive", "simple", "symmetric", "smooth", "maximal"],
        "by": ["By the preceding {kind}", "By {Name}'s {kind}", "By induction on {v}", "From the definition", "By assumption", "By symmetry", "By linearity"],
        "v": ["the degree", "the dimension", "the number of terms", "the index"],
        "so": ["Hence", "Therefore", "It follows that", "Consequently", "Thus", "We conclude that", "This shows that", "In particular"],
        "sentence": [
            "Let {f} be {an} {adj} {thing}.", "Suppose that {f} holds for every {adj} {thing}.", "{so} {f}.", "{by}, we have {f}.",
            "We say that a {thing} is {adj} if {f} whenever {f}.", "{so} the {thing} is {adj}, which completes the proof.", "Recall that {f} for each {thing}.",
            "Assume to the contrary that {f}; then {f}, a contradiction.", "The {thing} is called {adj} provided that {f}.", "{by}, the {thing} satisfies {f}.",
            "Substituting {f} into the equation above gives {f}.", "It suffices to prove that {f}, since the {thing} is {adj}.",
            "Note that the converse fails: take {f} and consider the {thing} with {f}.", "{so} every {thing} is determined by {f}.",
            "We now turn to the {aspect} of the {thing}.", "The reader should verify that {f}.", "Show that the {thing} is {adj} if and only if {f}.",
            "This {kind}, due to {Name}, generalises the case {f}.", "Without loss of generality we may take {f}.", "Compute the {thing} where {f} and {f}.",
            "The following {kind} gives the {aspect} of any {adj} {thing}.", "Dividing both sides by {f} yields {f}.", "Since {f}, the {thing} exists and is unique.",
            "Find all {adj} solutions of {f}.", "Passing to the limit, we obtain {f}.", "For a proof of the {kind} see the exercises at the end of the chapter.",
        ],
        "an": ["a"],
        "display": ["We obtain the {kind} {d}", "{so} {d}", "Consider {d}", "The {thing} is given by {d}", "Expanding, {d}", "This reads {d}"],
    }
)  # fmt: skip

WIKI = Grammar(
    {
        "title": ["{Thing}", "{Name} {thing}", "List of properties of the {thing}", "{Name}–{Name} theorem", "{Thing} (mathematics)"],
        "head": ["Definition", "History", "Properties", "Examples", "Generalisations", "See also", "Formal statement"],
        "since": ["named after {Name} {Name}", "introduced in {year}", "studied since {year}", "first described by {Name}"],
        "sentence": [
            "In mathematics, a {thing} is a structure for which {f}.", "It is {since} and plays a role in the theory of the {thing}.",
            "The {thing} can be written as {f}, where {f}.", "Equivalently, {f} holds for all values.", "A special case is the {Name} {thing}, with {f}.",
            "In {year}, {Name} proved that {f} for every {thing}.", "The notion is {since}.", "Some authors require in addition that {f}.",
            "More generally, a {thing} over a field satisfies {f}.", "The {thing} should not be confused with the {Name} {thing}.",
            "For example, {f} is a {thing} but {f} is not.", "The formula {f} was known to {Name}.", "Unlike the {Name} {thing}, it obeys {f}.",
        ],
        "display": ["It is defined by {d}", "The {Name} formula states {d}", "Explicitly, {d}"],
    }
)  # fmt: skip

FORUM = Grammar(
    {
        "title": [
            "help with {thing} homework please", "How do I solve {t}?", "stuck on a {thing} question", "Is my answer right? ({thing})", "confused about {thing}",
            "quick {thing} question", "where does this step come from", "{Name}'s trick for {thing}, why does it work", "hint needed: {thing}",
        ],
        "who": ["{Name}{n2}", "user{n3}", "{Name}", "anon{n3}", "{Name}_{n1}"],
        "greet": ["Hi all,", "Hey everyone,", "Hello,", "ok so", "Sorry if this is a dumb question but", "hi guys"],
        "ask": [
            "{greet} I have to solve {f} for class tomorrow and I keep getting {f} which my calculator says is wrong.",
            "{greet} my teacher wrote {f} on the board and I don't get where it comes from.", "Can someone explain how you go from {f} to {f}?",
            "I tried to factor it but ended up with {f} and then I got stuck.", "The back of the book says {f}. I get {f}. What am I doing wrong?",
            "I know you are supposed to use the {thing} thing but I never understood that.", "{greet} is there a quicker way to do {f}?",
            "My attempt so far: I plugged in {f} and then cancelled, so I have {f} left.", "We have not done {thing} in class yet so no fancy stuff please.",
            "This is from last year's exam and I am going crazy over it.", "I got {f} but I forgot whether you flip the sign there.",
        ],
        "answer": [
            "Your mistake is in the second line, it should be {f} and not {f}.", "Hint: try to write it as {f} first, then it falls out.",
            "Nice question! The trick is to add and subtract the same thing so you get {f}.", "No, you can't cancel like that, check with {f}.",
            "Just multiply both sides out and you will see {f}.", "What do you get if you plug in {f}?", "As {who} said, think about the {thing} here.",
            "I'd draw a picture of the {thing} first, helps me every time.", "Yep that works, so the final answer is {f}.", "Move everything to one side, {f}, then square it.",
            "You dropped a minus sign, it happens to the best of us lol.", "Careful, {f} only works when it isn't zero.", "Same question was asked last week, answer was {f}.",
        ],
        "thanks": ["Thanks so much, got it now!", "ohhh that makes sense, thank you", "ty!! i was overthinking it", "Perfect, accepted your answer.", "thx {who}"],
        "display": ["Then do {d} and you're done.", "Look: {d}", "so {d} right?"],
        "t": ["this", "for x here", "this equation", "something like this"],
    }
)  # fmt: skip

FORMAL = Grammar(
    {
        "title": ["Theory {Name}_{unit}", "{unit}.thy", "Module {Name}.{unit}", "{Name}/{unit}.lean", "Library {Name}.{unit}"],
        "unit": ["Basic", "Lattice", "Order", "Ring_Hom", "Filter", "Nat_Lemmas", "Multiset", "Finprod", "Closure", "Galois", "Ordinal", "Monoid"],
        "id": ["{stem}_{op}", "{stem}_{op}_{stem}", "{stem}_of_{stem}", "{op}_{stem}_iff", "{stem}_{op}_left", "{stem}_{op}_right_inj", "mem_{stem}"],
        "stem": ["sup", "inf", "mul", "add", "card", "comap", "span", "closure", "finset", "mono", "zero", "succ", "image", "subset", "range", "supr"],
        "op": ["assoc", "comm", "le", "lt", "eq", "inj", "surj", "dvd", "cancel", "trans", "congr", "union", "compl", "insert", "bot", "top"],
        "h": ["h", "h1", "hx", "hab", "ih", "hs", "this", "hfg"],
        "tac": [
            "simp [{id}, {h}]", "rw [{id}] at {h}", "exact {id} {h}", "apply {id}", "intro {h}", "cases {h} with x hx", "induction n with k ih", "by_contra {h}",
            "refine ⟨_, {h}, ?_⟩", "linarith [{h}]", "unfold {id}", "auto simp add: {id}", "metis {id} {id}", "blast intro: {id}", "ring_nf at {h}", "omega",
        ],
        "type": ["α", "β", "ℕ", "ℤ", "set α", "finset β", "α → β", "filter α", "ℕ → α", "ideal R"],
        "prop": ["{id} a b = {id} b a", "∀ x ∈ s, {id} x ≤ {id} y", "a ∣ b ↔ {id} a b", "∃ y, {id} y ∧ y ∉ t", "{id} f (s ∪ t) = {id} f s ⊔ {id} f t", "¬ {id} ⊥"],
        "block": [
            "theorem {id} (a b : {type}) ({h} : {prop}) : {prop} := by\n  {tac}\n  {tac}\n  {tac}",
            "lemma {id} [inst : {stem}_class α] : {prop} :=\nbegin\n  {tac},\n  {tac},\nend",
            "lemma {id}:\n  assumes \"{prop}\" and \"{prop}\"\n  shows \"{prop}\"\nproof -\n  have \"{prop}\" by ({tac})\n  then show ?thesis using assms by ({tac})\nqed",
            "instance : {stem}_class ({type}) where\n  {id} := by {tac}\n  {id} := fun x => {id} x", "@[simp] theorem {id} : {prop} := {id}",
            "Lemma {id} : forall (n m : nat), {prop}.\nProof.\n  intros n m {h}. {tac}. {tac}.\nQed.", "/-- See also `{id}` and `{id}`. -/\ndef {id} (s : {type}) : Prop := {prop}",
        ],
        "note": ["Defined in this file: {id}, {id}.", "Deprecated alias of {id}.", "Auxiliary facts for {id}; see {id}.", "Imports: {Name}.{unit}, {Name}.{unit}"],
    }
)  # fmt: skip

CHINESE = Grammar(
    {
        "title": ["{thing}的性质与应用", "第{zn}章 {thing}", "{thing}练习题及解析", "高中数学:{thing}专题", "如何求解{thing}问题", "初三数学期末复习 {thing}", "{thing}知识点总结"],
        "zn": ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十"],
        "thing": [
            "一元二次方程", "等差数列", "等比数列", "三角函数", "圆锥曲线", "不等式", "向量", "概率", "排列组合", "函数的单调性", "导数", "立体几何", "数学归纳法", "抛物线",
            "相似三角形", "对数函数", "复数", "平面直角坐标系", "因式分解", "绝对值",
        ],
        "sentence": [
            "已知{f},求{thing}的取值范围。", "由题意可得{f},所以{f}。", "设{f},则{f}。", "解:因为{f},所以原式等于{f}。", "证明:当{f}时,结论显然成立。",
            "将{f}代入上式,化简得{f}。", "根据{thing}的定义,我们有{f}。", "本题主要考查{thing},难度适中。", "若{f}恒成立,则实数的最小值为{n2}。",
            "下面分两种情况讨论:第一种情况{f}。", "综上所述,方程的解为{f}。", "画出图象可知,函数在区间上单调递增。", "同学们要注意{thing}与{thing}的区别。",
            "例题{n1}:求函数{f}的最大值。", "两边平方并整理,得到{f}。", "由余弦定理知{f},故三角形的面积为{n2}。", "小明列出方程{f},解得{f}。", "答案选{opt}。",
        ],
        "opt": ["A", "B", "C", "D"],
        "display": ["即 {d}", "于是 {d}", "化简得 {d}"],
        "head": ["例{n1}", "解析", "练习{n1}", "知识点{zn}", "方法总结", "思考题"],
    }
)  # fmt: skip
