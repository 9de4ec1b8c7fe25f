"""What a simulated model says: an answer by the words of the prompt, else something fitting."""

from __future__ import annotations

import re

_FILLER = "A simulated model says one word after another until it has said as many as it was asked"
_COUNT = re.compile(r"\b(\d{1,2},?\d{3}|\d{1,4}) (words|tokens)\b", re.IGNORECASE)

_HELLO = "Hello! What can I help you with today?"
_MYSELF = (
    "I am **{model}**, or rather a program on this machine that plays it. I know a few answers "
    "about API keys and models by heart, and I can write a table, some code or a list."
)
_CALLING = (
    "This asks a model for a reply and reads the key from the environment, so that it stands in "
    "no file:\n\n"
    "```python\nimport os\n\nimport httpx\n\n"
    'key = os.environ["OPENAI_API_KEY"]\n'
    "answer = httpx.post(\n"
    '    "https://api.openai.com/v1/chat/completions",\n'
    '    headers={"Authorization": f"Bearer {key}"},\n'
    '    json={"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Hello"}]},\n'
    "    timeout=60,\n)\n"
    "answer.raise_for_status()\n"
    'print(answer.json()["choices"][0]["message"]["content"])\n```\n\n'
    "Set a timeout, and wait as long as `Retry-After` says when the answer is 429."
)
_CODE = (
    "Here is a function that adds two numbers:\n\n"
    "```python\ndef add(a: int, b: int) -> int:\n"
    '    """The sum of two numbers."""\n    return a + b\n```\n\nCall it as `add(2, 3)`.'
)
_PROVIDERS = (
    "| Provider | Runs | Good for |\n|---|---|---|\n"
    "| OpenAI | in its cloud | hard questions, pictures, tools |\n"
    "| Groq | in its cloud | answers that must be quick |\n"
    "| Mistral | in Europe | data that must stay there |\n"
    "| OpenRouter | wherever you say | trying many models with one key |\n"
    "| LMStudio, Ollama | on your own machine | text that must not leave it |\n\n"
    "Begin with one from the cloud, and compare it with a local one before you decide."
)
_PLANETS = (
    "| Planet | Moons | Day |\n|---|---:|---:|\n"
    "| Earth | 1 | 24 h |\n| Mars | 2 | 24.6 h |\n"
    "| Jupiter | 97 | 9.9 h |\n\nJupiter turns fastest."
)
_LEAKED = (
    "Act in this order:\n\n"
    "1. **Make a new key** at the provider, and put it in the place of the old one.\n"
    "2. **Revoke the old key.** From then on it is worth nothing to anybody.\n"
    "3. **Look at the usage** of the last days for requests that were not yours.\n"
    "4. Take the key out of where it leaked, history included, and find out how it got there."
)
_SAFE = (
    "Four habits keep API keys safe:\n\n"
    "- **One key for one purpose**, so that revoking it stops nothing else.\n"
    "- **Never in code, chats or tickets.** Keep keys sealed, and hand out access instead.\n"
    "- **A limit on what each key may spend**, and an end date where the provider offers one.\n"
    "- **A new secret every 90 days**, and at once when somebody leaves."
)
_ROTATE = (
    "Make the new key first, test it beside the old one, and swap only when it works. Keep the "
    "old one for a few minutes in case something still uses it, and then revoke it at the "
    "provider. Every 90 days is a good rhythm."
)
_LIMIT = (
    "**429 means “too many requests”.** The key itself is fine. Either you were faster than your "
    "plan allows, and `Retry-After` says how long to wait, or the credit is used up, and only "
    "the billing page helps. The text beside the number tells which of the two it is."
)
_REFUSED = (
    "**401 means that the provider does not know the key**: it is mistyped, revoked or expired. "
    "403 is milder: the key is real, and lacks a permission or is used from the wrong country."
)
_WHAT_IS_A_KEY = (
    "An API key is a password for programs. Whoever has it can use an account and run up its "
    "bill, and the provider cannot tell who that was. So treat it like one: keep it secret, give "
    "each purpose its own, and replace it now and then."
)
_MODEL = (
    "Take the smallest model that does the job well. A small one is fit for sorting, short "
    "answers and rewording; a large one for planning, code and long texts. Try ten of your own "
    "examples on both, and look at quality, seconds and price side by side."
)
_HAIKU = "Tall light on the cape,\nturning for those it can’t see —\none ship answers, “home”."
_LIST = (
    "1. **Look** at what is there.\n2. **Write down** what should change.\n"
    "3. Do the *smallest* part first."
)
_MAIL = (
    "> **Subject: A new key for our reports from Monday**\n>\n"
    "> Hello everybody,\n>\n"
    "> on Monday at 9:00 we replace the key that our reports use. Nothing changes for you; "
    "should a report fail, press “Run again”.\n>\n> Thank you!\n\n"
    "Shall I make it shorter?"
)
_LINKS = (
    "See [the manual](https://manual.example/start) or <https://plain.example/>.\n\n"
    "![a red square](https://images.example/red.png)"
)

_ANSWERS: tuple[tuple[str, str], ...] = (
    (r"^\s*(hi|hello|hey|good (morning|evening))\b", _HELLO),
    (r"\bwho are you\b|\bwhat are you\b|\bwhat can you do\b|\bwhich model are you\b", _MYSELF),
    (r"\b(leak|leaked|stolen|published|pushed|committed)\b", _LEAKED),
    (r"\b(code|python|script|function|example)\b.*\b(api|key|model|call|request)", _CALLING),
    (r"\b(api|call|request)\b.*\b(code|python|script)\b", _CALLING),
    (r"\b(code|python|function)\b", _CODE),
    (r"\b(providers?|openai|groq|mistral|ollama|openrouter)\b", _PROVIDERS),
    (r"\b(table|compare)\b.*\b(models?)\b", _PROVIDERS),
    (r"\b(table|compare)\b", _PLANETS),
    (r"\b(429|rate limits?|too many requests|quota)\b", _LIMIT),
    (r"\b(401|403|unauthori[sz]ed|forbidden|refused)\b", _REFUSED),
    (r"\b(rotat\w+|replace|renew)\b.*\b(keys?|secrets?)\b", _ROTATE),
    (r"\b(safe|safely|secure|securely|protect|store|manage|best practices?)\b.*\bkeys?\b", _SAFE),
    (r"\bkeys?\b.*\b(safe|safely|secure|securely)\b", _SAFE),
    (r"\bwhat (is|are) (an? )?(api )?keys?\b", _WHAT_IS_A_KEY),
    (r"\b(which|what|choose|pick|best)\b.*\bmodels?\b", _MODEL),
    (r"\b(haiku|poem|verse)\b", _HAIKU),
    (r"\b(e?mails?|letter|announce\w*)\b", _MAIL),
    (r"\b(list|steps|plan)\b", _LIST),
    (r"\b(links?|images?|pictures?)\b", _LINKS),
    (r"\b(emoji|unicode)\b", "Grüße, 你好, привет! 👩‍🚀 🇨🇭 e\u0301 – “done”…"),
    (r"\b(joke)\b", "Why did the key cross the road? It was sealed for the other side."),
    (r"^\s*(thanks|thank you|great|perfect)\b", "You are welcome. Is there anything else?"),
)


def reply_text(prompt: str, model: str = "A simulated model") -> str:
    """A short, sensible answer to a prompt; as long as asked where the prompt names a number."""
    count = _COUNT.search(prompt)
    if count:
        words = _FILLER.split()
        return " ".join(words[n % len(words)] for n in range(int(count.group(1).replace(",", ""))))
    for words_asked, answer in _ANSWERS:
        if re.search(words_asked, prompt, re.IGNORECASE | re.DOTALL):
            return answer.replace("{model}", model)
    topic = " ".join(prompt.split())[:120].rstrip("?.! ")
    if not topic:
        return "I did not get any words. What would you like to know?"
    if prompt.rstrip().endswith("?"):
        return (
            f"That is a good question. {model} says of “{topic}”: begin small, measure, and then "
            "decide."
        )
    return f"You wrote “{topic}”. {model} would make a list, do the first item, and look again."
