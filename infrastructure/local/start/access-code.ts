import { randomInt } from "node:crypto";

/** 32 letters and digits that are not mistaken for one another: no I, O, 0 or 1. Ten of them are 50 bits. */
const ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/** A code as a person types it, like `ABCDE-23456`, from the system's secure randomness. */
export function makeAccessCode(): string {
  return `${letters(5)}-${letters(5)}`;
}

function letters(count: number): string {
  return Array.from({ length: count }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join("");
}
