"""What a person does in the chat and its header, in a person's words."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect


class ChatScreen:
    """The chat in one browser tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self) -> None:
        """Go to the chat."""
        self.page.goto(self.url)
        expect(self.field()).to_be_visible()

    def field(self) -> Locator:
        """The field to type in."""
        return self.page.get_by_test_id("stChatInputTextArea")

    def send(self, text: str) -> None:
        """Type a message and send it."""
        expect(self.field()).to_be_enabled()
        self.field().fill(text)
        self.field().press("Enter")

    def messages(self) -> Locator:
        """Everything said so far, on both sides."""
        return self.page.get_by_test_id("stChatMessage")

    def reply(self) -> Locator:
        """The last thing said."""
        return self.messages().last

    def expect_done(self, words: str | re.Pattern[str] = "") -> None:
        """Wait until the last reply is over, with these words in it."""
        again = self.reply().get_by_role("button", name=re.compile("Regenerate|Send again"))
        expect(again).to_be_visible()
        if words:
            expect(self.reply()).to_contain_text(words)

    def switch(self, name: str) -> None:
        """Choose another key in the header."""
        self.keys_button().click()
        self.popover().get_by_role("button", name=name).click()
        expect(self.keys_button()).to_contain_text(name)

    def keys_button(self) -> Locator:
        """What opens the key switcher."""
        return self.page.locator(".st-key-header-keys, .st-key-header\\.keys").get_by_role("button")

    def models_button(self) -> Locator:
        """What opens the model picker."""
        return self.page.locator(".st-key-header-models").get_by_role("button")

    def popover(self) -> Locator:
        """The list that is open."""
        return self.page.get_by_test_id("stPopoverBody")
