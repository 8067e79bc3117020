// What a rater answered: kept in the browser, saved as a file.
"use strict";
const record = (() => {
  const { study } = JSON.parse(document.getElementById("data").textContent);
  const place = `metamer-study-${study}`;
  let held = { rater: "", begun: "", answers: {} };
  let keeps = true;

  function keep() {
    try {
      localStorage.setItem(place, JSON.stringify(held));
    } catch { // private windows, full stores
      keeps = false;
    }
  }

  try {
    const stored = JSON.parse(localStorage.getItem(place));
    if (stored?.rater && stored.answers) held = stored;
  } catch {
    keeps = false;
  }

  return {
    get rater() { return held.rater; },
    get count() { return Object.keys(held.answers).length; },
    get keeps() { return keeps; },
    has: (trial) => trial in held.answers,
    begin(rater) {
      held = { rater, begun: new Date().toISOString(), answers: {} };
      keep();
    },
    forget() {
      held = { rater: "", begun: "", answers: {} };
      keep();
    },
    answer(trial, answer) {
      held.answers[trial] = answer;
      keep();
    },
    save() { // returns the file's name
      const { rater, begun, answers } = held;
      const value = {
        kind: "metamer study answers", study, rater, begun, saved: new Date().toISOString(),
        screen: { width: innerWidth, height: innerHeight, pixelRatio: devicePixelRatio },
        browser: navigator.userAgent,
        answers: Object.entries(answers).map(([trial, answer]) => ({ trial, ...answer })),
      };
      const name = `answers-${study}-${rater.replace(/[^\p{L}\p{N}-]+/gu, "_")}.json`;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([JSON.stringify(value, null, 1)], { type: "application/json" }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      return name;
    },
  };
})();
