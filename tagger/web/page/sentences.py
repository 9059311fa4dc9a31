"""Sentences that other rooms say, in Chinese: what is wrong with a search, why it found nothing, why a picture failed.

They are found by the English, as the page's own words are, but with a hole `{}` for whatever a sentence names. Rejected: to have
searches carry the parts of their sentences, as gettext would; each room would then know that there are other languages. What is
missing here stays English, and a test says so.
"""

from collections.abc import Mapping

TIMES = "30m, 2h or 7d, today or yesterday, or an ISO time such as 2026-03-26T13:00"
CHINESE = {
    # What is wrong with a search.
    "a query of {} characters is too long": "搜索有 {} 个字符，太长了",
    "more than {} brackets and 'not's stand in one another": "括号和 not 的嵌套超过 {} 层",
    "more than {} different names and clauses are asked for": "不同的名称和条件超过 {} 个",
    "more than {} different patterns are asked for": "不同的通配模式超过 {} 个",
    "a pattern with more than {} of *, ? and [ is too much": "一个模式里的 *、? 和 [ 超过 {} 个，太多了",
    "more than {} characters stand between [ and ]": "[ 和 ] 之间超过 {} 个字符",
    "nothing stands between these quotes": "这对引号之间没有内容",
    "{} is no score from 0 to 1": "{} 不是 0 到 1 的分数",
    "{} is no unit of time": "{} 不是时间单位",
    "{} is out of the years 1 to 9999": "{} 超出公元 1 年到 9999 年",
    "{} is neither a duration nor a time": "{} 既不是时长也不是时间",
    "{} is followed by no name and no clause": "{} 后面没有名称或条件",
    "{} is followed by no time": "{} 后面没有时间",
    "{} is followed by no source": "{} 后面没有来源",
    "{} is followed by no value": "{} 后面没有值",
    "{} is followed by no score": "{} 后面没有分数",
    "nothing joins {} to what is before it": "{} 与前面的内容之间没有连接词",
    "{} is not understood": "看不懂 {}",
    "this quote is never closed": "这个引号没有结束",
    "this quote closes nothing": "这个引号没有开头",
    "this bracket is never closed": "这个括号没有结束",
    "this bracket closes nothing": "这个括号没有开头",
    "these brackets are empty": "这对括号是空的",
    "{} stands behind no name": "{} 前面没有名称",
    "{} has nothing before it": "{} 前面没有内容",
    "{} behind a clause could mean two things": "条件后面的 {} 有两种可能的意思",
    "{} takes no colon": "{} 后面不用冒号",
    "no label or category is called {}": "没有叫 {} 的标签或类别",
    "there is no source {}": "没有来源 {}",
    "there is no field {}": "没有字段 {}",
    "the head {} has no label {}": "{} 里没有标签 {}",
    "{} has no scores": "{} 没有分数",
    "there is no state {}": "没有状态 {}",
    "there is no condition {}": "没有状况 {}",
    "the search takes more than {} seconds, and was ended": "搜索超过 {} 秒，已停止",
    # What to do about it.
    "keep it to {}, or ask in several queries": "请不超过 {} 个字符，或分成几次搜索",
    "take some of them away, or ask in several queries": "请去掉一些，或分成几次搜索",
    "let one pattern stand for several, or ask in several queries": "请用一个模式代替几个，或分成几次搜索",
    "let one * stand for all that is between two names": "两个名称之间用一个 * 就够了",
    "write ranges, as in [a-z], or let ? stand for any character": "请写成范围，如 [a-z]，或用 ? 代表任意字符",
    "write a name there, or remove them": "请在其中写上名称，或去掉引号",
    "write dog >= 0.5 or dog >= 50%": "请写 dog >= 0.5 或 dog >= 50%",
    "write dog >= 0.5 or dog >= 50%; names are joined by 'and' or 'or'": "请写 dog >= 0.5 或 dog >= 50%；名称之间用 and 或 or 连接",
    "units of time: s, m, h, d and w, as in 30m, 2h or 7d": "时间单位有 s、m、h、d 和 w，如 30m、2h 或 7d",
    f"say {TIMES}": "请写 30m、2h 或 7d，today 或 yesterday，或 ISO 时间，如 2026-03-26T13:00",
    "write one behind it, or quote it where it is part of a name": "请在后面写上一个；如果它是名称的一部分，请加引号",
    'write its name behind it; quote a name of several words, as in "cam 1"': '请在后面写上名称；几个词的名称请加引号，如 "cam 1"',
    "write it right behind the colon, as in path:*.jpg; quote a name that has a colon": "请紧跟冒号写值，如 path:*.jpg；名称里有冒号请加引号",
    "write one from 0 to 1 behind it, as in dog >= 0.5": "请在后面写 0 到 1 的分数，如 dog >= 0.5",
    "only NAME >= 0.5 is; for less than that, write not NAME >= 0.5": "只能写 NAME >= 0.5；要更低的分数，请写 not NAME >= 0.5",
    "put {} behind the phrase": "请在短语后面加上 {}",
    "remove it, or put “ before the phrase": "请去掉它，或在短语前面加上 “",
    'put ) where it ends; quote a name with brackets, as in "crane (bird)"': '请在结束处加上 )；名称里有括号请加引号，如 "crane (bird)"',
    "write a name or a clause between them, or remove them": "请在其中写上名称或条件，或去掉括号",
    "remove it, or put ( where it begins": "请去掉它，或在开头处加上 (",
    "a score belongs behind one name, as in (dog >= 0.5 or cat >= 0.5)": "分数要跟在一个名称后面，如 (dog >= 0.5 or cat >= 0.5)",
    "write a name or a clause there, or quote it where it is part of a name": "请在前面写上名称或条件；如果它是名称的一部分，请加引号",
    "say which by brackets: (dog since 2h) or cat, or: dog and (since 2h or cat)": "请用括号说明：(dog since 2h) or cat，或者 dog and (since 2h or cat)",
    "put 'and' before it": "请在前面加上 and",
    "put 'and' or 'or' before it": "请在前面加上 and 或 or",
    "put 'and' or 'or' before it, or quote a name with brackets, as in \"crane (bird)\"": '请在前面加上 and 或 or；名称里有括号请加引号，如 "crane (bird)"',
    "put 'and' or 'or' before it, or quote a source of several words, such as \"cam 1\"": '请在前面加上 and 或 or；几个词的来源请加引号，如 "cam 1"',
    "a date and its time have a T between them: {}": "日期和时间之间要有 T：{}",
    "write {}": "请写 {}",
    "write {}; in a shell, put the whole query in single quotes": "请写 {}",
    "that is asked for by: {}": "请这样搜索：{}",
    "did you mean {}?": "你是不是要找 {}？",
    "did you mean {}? conditions: {}": "你是不是要找 {}？状况有 {}",
    "sources: {}": "来源有 {}",
    "fields: {}": "字段有 {}",
    "states: {}": "状态有 {}",
    "conditions: {}": "状况有 {}",
    "a time is asked for by since and until, as in: since 2026-03-01 until 2026-03-31": "时间用 since 和 until 搜索，如 since 2026-03-01 until 2026-03-31",
    "the model does not know such a word; tagger teach has it learn words of your own from pictures of them; it knows {} and others": "模型不认识这个词；用 tagger teach 可以拿图片教它新词；它认识 {} 等",
    "the model does not know such a word; tagger teach has it learn words of your own from pictures of them; it knows {}": "模型不认识这个词；用 tagger teach 可以拿图片教它新词；它认识 {}",
    "its labels: {}": "它的标签有 {}",
    "write {}; quote a value that has >= in it": "请写 {}；值里有 >= 请加引号",
    "put 'and' or 'or' before it, or quote a value of several words: {}": "请在前面加上 and 或 or；几个词的值请加引号：{}",
    "ask for less: fewer names and patterns, `since WHEN` or `in SOURCE`; `tagger search` takes as long as it takes": "请缩小搜索：减少名称和模式，或加上 since 时间、in 来源；tagger search 没有时间限制",
    # Why a search found nothing.
    "{} has no score in any picture: only each picture's best {} labels are stored (model.top_k)": "没有一张图片有 {} 的分数：每张图片只保存最高的 {} 个标签（model.top_k）",
    "{} has no score in any picture: a category's score is stored only from 0.2 on": "没有一张图片有 {} 的分数：类别的分数从 0.2 起才保存",
    "{} alone is found; the rest of the query leaves none of its pictures": "只搜 {} 能找到图片，加上其余条件就一张也没有了",
    "no picture has the label {}": "没有一张图片有标签 {}",
    "no picture scores {} at {} or more; the best is {}": "没有图片的 {} 分数达到 {}；最高是 {}",
    # Why a picture failed, or a folder is not watched.
    "not a picture in a format that can be decoded here": "不是这里能解码的图片格式",
    "a picture of this kind cannot be decoded here: {}": "这里不能解码这种图片：{}",
    "the picture is damaged: what it says of itself makes no sense": "图片已损坏：文件中的说明没有意义",
    "there is not enough memory to decode it": "内存不足，无法解码",
    "the picture is damaged: {}": "图片已损坏：{}",
    "the file is empty": "文件是空的",
    "the file cannot be read: {}": "无法读取文件：{}",
    "the model failed on it: {}": "模型处理它时出错：{}",
    "is away: {}; it is looked for every two seconds": "不在：{}；每两秒查看一次",
    "cannot be watched: {}; {}": "无法监视：{}；{}",
    "cannot be watched whole: {}; {}; until then it is scanned often instead": "无法完全监视：{}；{}；在此之前会经常扫描",
    "lies on {}, which keeps changes to itself; it is scanned often instead": "位于 {}，它不通知更改，因此会经常扫描",
    "holds {}, which lies on {}, which keeps changes to itself; it is scanned often instead": "其中的 {} 位于 {}，它不通知更改，因此会经常扫描",
    # Why this model.
    "its ImageNet-1k weights were here when this database was first used": "首次使用此数据库时，它的 ImageNet-1k 权重就在这台机器上",
    "it comes with Tagger, and resnet18's ImageNet-1k weights were not here": "它随 Tagger 提供，而 resnet18 的 ImageNet-1k 权重当时不在这台机器上",
    "no other model could be used when this database was first used": "首次使用此数据库时，没有其他可用的模型",
    "the tags of this database were made by it": "此数据库的标签是它生成的",
    "tagger models use chose it": "由 tagger models use 选定",
    "engine.backend is fake": "engine.backend 是 fake",
    "model.weights in the config": "配置中的 model.weights",
    "model.name in the config": "配置中的 model.name",
    "model.name in the config is resnet18, whose ImageNet-1k weights are not here": "配置中的 model.name 是 resnet18，而它的 ImageNet-1k 权重不在这台机器上",
    "{}, then {} ({} has {}; {} has {})": "{}，然后 {}（{}：{}；{}：{}）",
    "{} is here, too: {} ({} has {}; {} has {})": "{} 也在这台机器上：{}（{}：{}；{}：{}）",
    # What would help a head.
    "Give {} more examples: it has {}, and fewer than {} say little.": "请给 {} 更多示例：现有 {} 个，少于 {} 个说明不了什么。",
    "Give {} more examples: another label has {} times as many.": "请给 {} 更多示例：另一个标签的示例是它的 {} 倍。",
    "Add pictures of {} that look otherwise than its others: {} got no label.": "请添加与其他示例不同的 {} 图片：有 {} 张没有得到标签。",
    "Add pictures without a label that look like {}: {} were taken for it.": "请添加像 {} 但不属于任何标签的图片：有 {} 张被误认为它。",
    "Add pictures of {} that look like {}: {} were taken for it.": "请添加 {} 的图片，要像 {} 的：有 {} 张被误认为后者。",
    "More examples still help: {} were right with half of them, {} with all.": "更多示例仍有帮助：一半示例时 {} 正确，全部时 {} 正确。",
    "More of the same helps little: with half of them {} were right, too.": "再加同类示例帮助不大：一半示例时也有 {} 正确。",
}
"""A sentence's holes are filled in order."""


def chinese(text: str, names: Mapping[str, str]) -> str:
    """Return the sentence in Chinese, or as it is where it is not among them. What it names is called as `names` have it; numbers stay."""
    for english in _LONGEST_FIRST:
        if (values := _values(english, text)) is not None:
            called = (one if one.isdecimal() else names.get(one, one) for one in values)
            return CHINESE[english].format(*called)
    return text


_LONGEST_FIRST = sorted(CHINESE, key=len, reverse=True)
"""One sentence may be the beginning of another."""


def _values(english: str, text: str) -> list[str] | None:
    """Return what fills the holes of a sentence; None where the text is another one. The time grows with the text alone."""
    first, *pieces = english.split("{}")
    if not pieces:
        return [] if text == first else None
    if not text.startswith(first):
        return None
    values, at = [], len(first)
    for piece in pieces[:-1]:
        end = text.find(piece, at)
        if end < 0:
            return None
        values.append(text[at:end])
        at = end + len(piece)
    last = len(text) - len(pieces[-1])
    return [*values, text[at:last]] if last >= at and text.endswith(pieces[-1]) else None
