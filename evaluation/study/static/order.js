// Each rater's own order and sides, from the study and the rater's name: the same again after a pause.
"use strict";
function generator(text) { // uniform numbers below 1: mulberry32, seeded by FNV-1a of the text
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled(values, random) { // Fisher and Yates
  const mixed = [...values];
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
  }
  return mixed;
}

// trials in the order of a rater, each with which of its pictures, first or second, stands left as A
function trialsFor({ study, blocks }, rater) {
  const random = generator(`${study}/${rater}`);
  const trials = blocks.flatMap((block) => shuffled(block, random));
  return trials.map((trial) => ({ ...trial, left: random() < 0.5 ? "first" : "second" }));
}
