"""The rest of the web: news, shops, kitchens, travel, cars, health, law and small talk, in English and Chinese."""

from __future__ import annotations

from reasonforge.corpus.synthetic.grammar import Grammar

OTHER = {
    "news": Grammar(
        {
            "title": ["{Name} visits {Place}", "{Place} council votes on {matter}", "Storm hits {Place}", "{Name} resigns over {matter}", "New {matter} for {Place}"],
            "matter": ["the bus line", "school meals", "the harbour", "the budget", "a stadium", "the library", "parking fees", "flood defences"],
            "sentence": [
                "{Name} {Name} told reporters on Monday that {matter} would go ahead.", "Residents of {Place} have long complained about {matter}.",
                "Police in {Place} are asking for witnesses.", "The minister for {matter} declined to comment.", "A spokesperson for {Name} called the plan a disgrace.",
                "Hundreds gathered in {Place} to protest against {matter}.", "The vote in {Place} was postponed after {Name} fell ill.",
                "Local businesses welcomed the decision on {matter}.", "The fire broke out near {Place} shortly after midnight.", "Work on {matter} began in {year}.",
                "Opposition leader {Name} promised to reverse it.", "It was the first visit to {Place} since {year}.",
            ],
        }
    ),
    "shop": Grammar(
        {
            "title": ["{Name} {item} - buy online", "{item} {n3}, {colour}", "Sale: {item} from {price}", "{colour} {item} by {Name}"],
            "item": ["backpack", "kettle", "running shoes", "desk lamp", "phone case", "rain jacket", "headphones", "garden chair", "dog bed"],
            "colour": ["navy", "charcoal", "olive", "coral", "ivory", "teal", "walnut"],
            "sentence": [
                "This {colour} {item} by {Name} fits every taste.", "Now only {price}, was {price}.", "Free delivery to {Place} within {n1} days.",
                "Customers who bought this {item} also liked the {colour} {item}.", "Made of recycled material and easy to clean.", "Rated {n1} out of 10 by {n3} customers.",
                "The {item} comes with a {n1} year guarantee.", "Add to basket and save {pct} today.", "Love it, very sturdy, says {Name} from {Place}.",
                "Sizes run small, so order one up.", "In stock: ships from {Place}.", "Returns are free within {n2} days.",
            ],
        }
    ),
    "recipe": Grammar(
        {
            "title": ["{Name}'s {dish}", "Easy {dish} with {food}", "{food} and {food} {dish}", "The best {dish} in {Place}"],
            "dish": ["stew", "pie", "soup", "salad", "curry", "pancakes", "lasagne", "tart", "noodles"],
            "food": ["leek", "salmon", "chickpeas", "pumpkin", "spinach", "butter", "lemon", "walnuts", "mushrooms", "paprika", "ginger"],
            "sentence": [
                "Heat the oil and fry the {food} until golden.", "Add {n1} cups of {food} and a pinch of salt.", "Simmer the {dish} for {n2} minutes.",
                "Serve with {food} and fresh bread.", "My grandmother from {Place} made this {dish} every Sunday.", "Preheat the oven to {n3} degrees.",
                "Season the {food} well and set aside.", "You can replace the {food} by {food}.", "Fold in the {food}, then chill overnight.",
                "This {dish} keeps for {n1} days in the fridge.", "Garnish with {food}.", "Stir in {n1} spoons of {food} and taste.",
            ],
        }
    ),
    "travel": Grammar(
        {
            "title": ["{n1} days in {Place}", "Where to stay in {Place}", "Hiking around {Place}", "{Place} by train", "Hotel {Name}, {Place}"],
            "sight": ["old town", "cathedral", "market hall", "beach", "castle", "viewpoint", "botanical garden", "ferry"],
            "sentence": [
                "Take the early train from {Place} to see the {sight}.", "The {sight} of {Place} is open until six.", "We loved the {sight} and the small cafes.",
                "A room at Hotel {Name} is quiet and clean.", "The walk to the {sight} takes about {n1} hours.", "Do not miss the {sight} at sunset.",
                "Book early, {Place} is crowded in summer.", "Locals recommend the {sight} behind the station.", "From {Place} a ferry leaves every {n2} minutes.",
                "Pack light and bring a rain coat.", "Our guide {Name} knew every corner.",
            ],
        }
    ),
    "talk": Grammar(
        {
            "title": ["my {pet} won't eat", "anyone else from {Place}?", "what {gear} should I get", "{Name} season {n1} thread", "rant about {gear}"],
            "pet": ["cat", "puppy", "hamster", "parrot", "old dog"],
            "gear": ["bike", "guitar", "tent", "camera", "laptop", "coffee machine", "carburettor"],
            "sentence": [
                "Hi all, my {pet} has been acting weird since Friday.", "Sorry if this is a dumb question but which {gear} is better?", "lol same here, my {gear} broke too",
                "Thanks so much, will try that!", "I got the {gear} from {Name} and it just works.", "Can someone explain why people like {Name} so much?",
                "Took the {pet} to the vet in {Place}, all fine.", "You dropped the link, it happens to the best of us.", "ok so the {gear} arrived today and wow",
                "As {Name} said, think about the warranty.", "The ending made no sense, is there a hint I missed?", "Nice question! I'd ask the dealer first.",
                "What am I doing wrong with my {gear}?", "My teacher used to have that {gear}.",
            ],
        }
    ),
    "health": Grammar(
        {
            "title": ["{n1} signs of {ill}", "{Name} clinic {Place}", "Living with {ill}", "What helps against {ill}?"],
            "ill": ["back pain", "hay fever", "insomnia", "migraine", "high blood pressure", "a cold", "burnout"],
            "sentence": [
                "Many patients with {ill} feel better after {n1} weeks.", "Ask your doctor before you take anything for {ill}.", "Drink plenty of water and rest.",
                "Dr {Name} of {Place} treats {ill} with exercise.", "{ill} can have many causes.", "Studies suggest that sleep helps against {ill}.",
                "The clinic in {Place} is open on weekdays.", "Avoid coffee in the evening.", "Symptoms of {ill} include tiredness and nausea.", "Gentle yoga can relieve {ill}.",
            ],
        }
    ),
    "law": Grammar(
        {
            "title": ["Privacy policy of {Name}", "Terms of service", "Imprint - {Name} {Place}", "Cookie notice", "Careers at {Name}"],
            "data": ["your e-mail address", "usage data", "payment details", "your location", "cookies"],
            "sentence": [
                "We process {data} to provide our services.", "{Name} may share {data} with partners in {Place}.", "You have the right to object at any time.",
                "By using this site you agree to these terms.", "The courts of {Place} have jurisdiction.", "We store {data} for {n2} months.",
                "Subject to clause {n1}.{n1}, liability is excluded.", "Contact our officer {Name} with questions about {data}.", "Consent can be withdrawn in writing.",
                "This notice was last changed in {year}.", "{data} is deleted when the purpose ends.",
            ],
        }
    ),
}  # fmt: skip
"""English, by subject."""

CHINESE_NEAR = {
    "zh_accounting": Grammar(
        {
            "title": ["{item}的会计分录", "{item}如何计算", "财务报表分析 第{n1}讲", "个人所得税计算方法", "初级会计考试{item}练习题及解析"],
            "item": ["折旧", "利润率", "增值税", "应收账款", "库存", "年终奖", "房贷利息", "公积金"],
            "sentence": [
                "{item}等于收入减成本,即{n4}减{n3}。", "净利润 = {n4} - {n3} = {n4}元。", "解析:本题主要考查{item},答案选C。", "已知本月{item}为{n3}元,求税后金额。",
                "税率为{n2}%,应交税额等于{n4}乘{pct}。", "借:{item} {n3},贷:银行存款 {n3}。", "例题{n1}:某公司{item}为{n4}元,请编制分录。", "每月还款 = 本金 / {n2} + 利息。",
                "综上所述,{item}的余额为{n3}元。", "设备原值{n4}元,使用{n1}年,残值率{n1}%。", "小明买房贷款{n3}万元,利率{pct}。", "{item}计算公式:(期初 + 期末) / 2。",
            ],
        }
    ),
}  # fmt: skip
"""Chinese pages with figures that are no mathematics."""

CHINESE_OTHER = {
    "zh_news": Grammar(
        {
            "title": ["{hanname}出席{place}开幕式", "{place}今日新闻", "{place}暴雨最新消息", "{hanname}获奖感言"],
            "place": ["本市", "杭州", "成都", "西安", "青岛", "大连", "苏州", "长沙", "厦门"],
            "sentence": [
                "记者{hanname}从{place}报道,会议于昨日闭幕。", "{place}市民对新的公交线路表示欢迎。", "据介绍,该项目总投资{n3}亿元,同比增长{n2}%。", "{hanname}表示,将继续推动改革。",
                "警方提醒广大市民注意安全。", "今天{place}最高气温{n2}度,局部有雨。", "{place}旅游人数创历史新高。", "比赛以{n1}比{n1}结束,{hanname}攻入制胜一球。",
                "活动吸引了{n3}名志愿者参加。", "专家{hanname}认为,此举意义重大。", "目前,相关工作正在进行之中。", "下面请看详细内容。",
            ],
        }
    ),
    "zh_shop": Grammar(
        {
            "title": ["{item}特价促销", "{item}哪个牌子好", "新款{item}包邮", "{item}使用说明"],
            "item": ["连衣裙", "运动鞋", "电饭煲", "手机壳", "保温杯", "书包", "耳机", "茶叶"],
            "sentence": [
                "本店{item}全场{n1}折,满{n3}元包邮。", "{item}质量很好,物流也快,好评!", "客服{hanname}态度不错。", "尺码偏小,建议买大一号。", "原价{n3}元,现价{n2}元。",
                "{item}采用环保材料,轻便耐用。", "七天无理由退换货。", "颜色有黑、白、红三种可选。", "收藏店铺送{item}。", "已有{n3}人付款。", "送给妈妈的{item},她很喜欢。",
            ],
        }
    ),
    "zh_school": Grammar(
        {
            "title": ["高中{subject}复习资料", "{subject}期末试卷", "第{n1}课 {subject}", "{subject}学习方法总结"],
            "subject": ["语文", "历史", "地理", "政治", "生物", "英语"],
            "sentence": [
                "本课主要介绍{subject}的基础知识。", "同学们要注意{subject}答题的规范。", "请简述{year}年发生的主要事件。", "阅读下面的文章,回答问题。", "答案选C。",
                "{hanname}老师认为,{subject}重在积累。", "作者通过景物描写表达了思乡之情。", "例题{n1}:下列说法正确的是。", "本题主要考查{subject},难度适中。",
                "该地区气候湿润,降水量约{n3}毫米。", "细胞膜的主要成分是什么?", "背诵课文第{n1}段。",
            ],
        }
    ),
}  # fmt: skip
"""Chinese, by subject."""
