// A component written in JavaScript: a command of 0.2, and functions to be called from outside.

export const run = {
  run() {
    console.log("hello from javascript");
  },
};

export function greet(name) {
  return `hello, ${name}, from javascript`;
}

export function add(a, b) {
  return a + b;
}

export function sortPeople(people) {
  return people.toSorted((a, b) => a.age - b.age);
}

// Throwing becomes the error of the function's result.
export function parseNumber(text) {
  const number = Number(text);
  if (Number.isNaN(number)) {
    throw `not a number: ${text}`;
  }
  return number;
}

export function fail() {
  throw new Error("the guest fails on purpose");
}
