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
  const last = messages.findLast((message) => message.role === "user");
  const text = last === undefined ? "" : withoutEnvelope(last.content);
  return text === ""
    ? "I am KiloClaw's local model, and I was sent no text."
    : `You wrote: "${text}". I am KiloClaw's local model, and I repeat what I am told.`;
}

// OpenClaw puts facts about a message around the text that the person typed: blocks headed "… (untrusted metadata):" with
// fenced JSON, a timestamp in brackets, and a "[message_id: …]" line (seen in the requests that 2026.9.6 sends).
const METADATA_BLOCK = /^[^\n]{0,80}\(untrusted[^\n]{0,80}\):\s*```(?:json)?\s[^]*?```\s*/u;
const TIMESTAMP = /^\[[^\]\n]{0,60}\d{4}-\d{2}-\d{2}[^\]\n]{0,40}\]\s*/u;
const MESSAGE_ID_LINE = /\s*\[message_id: [^\]\n]{1,200}\]\s*$/u;

/** The most wrappings that are taken off one message. */
const WRAPPINGS_MAX = 16;

function withoutEnvelope(content: string): string {
  let text = content.trim();
  for (let taken = 0; taken < WRAPPINGS_MAX; taken += 1) {
    const inner = text.replace(METADATA_BLOCK, "").replace(TIMESTAMP, "").replace(MESSAGE_ID_LINE, "");
    if (inner === text) break;
    text = inner;
  }
  return text;
}
