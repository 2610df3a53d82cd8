import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { buttonState, urlOfTeam } from "../navigation/team_button.js";

describe("the button of the team of this browser", () => {
  test("it sets and clears the only selected team", () => {
    assert.deepEqual(buttonState("Payments", "Payments"),
      { text: "★ My team", title: "This browser opens with this team. Click to clear", isPressed: true });
    assert.equal(buttonState("Payments", "")?.text, "☆ My team");
    assert.equal(buttonState("Payments", "Core")?.isPressed, false);
  });

  test("without a single selected team it leads to the team of this browser, if there is one", () => {
    assert.equal(buttonState("", "Payments")?.title, "Show Payments");
    assert.equal(buttonState("", ""), null);
  });
});

test("the URL of a team keeps all other parameters", () => {
  const url = urlOfTeam("A & B", "https://ci.example/runs?team=x&repo=a%2Fb&team=y&period=7d");
  assert.equal(url.href, "https://ci.example/runs?repo=a%2Fb&period=7d&team=A+%26+B");
});
