import { z } from "zod";

/** One message of an OpenAI chat request; parts that are not text (images, audio, tool results) are kept out of the answer. */
export const ChatMessage = z.object({
  role: z.string().max(64),
  content: z
    .union([
      z.string(),
      z.array(
        z.union([
          z.object({ type: z.literal("text"), text: z.string() }).transform((part) => part.text),
          z.object({ type: z.string() }).transform(() => ""),
        ]),
      ),
      z.null(),
    ])
    .optional()
    .transform((content) => (Array.isArray(content) ? content.filter(Boolean).join("\n") : (content ?? ""))),
});

export type ChatMessage = z.output<typeof ChatMessage>;

/**
 * What the model answers: the text of the last user message inside one fixed sentence, so that a reader (or a test) can
 * tell that this very message went all the way to the model and back.
 */
export function answerTo(messages: readonly ChatMessage[]): string {
  const text = lastTyped(messages);
  return text === ""
    ? "I am KiloClaw's local model, and I was sent no text."
    : `You wrote: "${text}". I am KiloClaw's local model, and I repeat what I am told.`;
}

function lastTyped(messages: readonly ChatMessage[]): string {
  for (const { role, content } of messages.toReversed()) {
    if (role !== "user") continue;
    const typed = withoutEnvelope(content);
    // A message of nothing but OpenClaw's own context stands after the person's; one that is empty (a picture) is the person's.
    if (typed !== "" || content.trim() === "") return typed;
  }
  return "";
}

// OpenClaw puts facts about a message around the text that the person typed: blocks of internal context, leading blocks of a
// heading line and a fence of JSON or a paragraph, a timestamp, and a trailing block of context. Headings end with a marker of OpenClaw's in 2026.9.6
// (dist/strip-inbound-meta-*.mjs, which takes the same off again for display) and with "(untrusted metadata):" in 2026.2.26.
const HEADING = String.raw`[^\n]{1,120}(?:\u27e6openclaw:ctx\u27e7|\(untrusted[^\n]{0,60}\):)[ \t]*\n`;
const FENCE = String.raw`\x60{3}json\n[^]*?\n\x60{3}\s*`;
const PARAGRAPH = String.raw`(?:[^\n]+\n)*\s*`;
const LEADING_BLOCK = new RegExp(`^${HEADING}(?:${FENCE}|${PARAGRAPH})`, "u");
const TIMESTAMP = /^\[[A-Za-z]{3} \d{4}-\d{2}-\d{2} \d{2}:\d{2}[^\]\n]{0,60}\] */u;
const INTERNAL_CONTEXT =
  /^<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>$[^]*?^<<<END_OPENCLAW_INTERNAL_CONTEXT>>>$\s*/gmu;
const TRAILING_CONTEXT = /\s*^Context: \u27e6openclaw:ctx\u27e7$[^]*/mu;
/** What may stand last: on which machine and model the message runs. */
const RUNTIME = /\n\s*Runtime: agent=[^]*$/u;
const MESSAGE_ID_LINE = /\s*^\[message_id: [^\]\n]{1,200}\]$/mu;

/** The most wrappings that are taken off one message. */
const WRAPPINGS_MAX = 16;

function withoutEnvelope(content: string): string {
  let text = content.replace(INTERNAL_CONTEXT, "").trim();
  for (let taken = 0; taken < WRAPPINGS_MAX; taken += 1) {
    const inner = text
      .replace(RUNTIME, "")
      .replace(TRAILING_CONTEXT, "")
      .replace(LEADING_BLOCK, "")
      .replace(TIMESTAMP, "");
    if (inner === text) break;
    text = inner;
  }
  return text.replace(MESSAGE_ID_LINE, "").trim();
}
