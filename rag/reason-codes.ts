/** Why a document was not taken in, and what its owner can do. */
export const REASONS = {
  empty_file: 'The file is empty.',
  no_extractable_text:
    'No text could be found in the file. If it is a scan, run text recognition (OCR) on it first.',
  encrypted: 'The file is protected by a password. Remove the protection first.',
  malformed: 'The file is damaged, or is not what it says it is.',
  unsupported_format:
    'Files of this kind cannot be read. Text, Markdown, HTML, PDF, DOCX, CSV, JSON and source code can.',
  too_large: 'The file, or the text in it, is larger than this installation takes.',
  too_many_pages: 'The file has more pages than this installation takes. Split it first.',
  timed_out: 'Reading the file took longer than this installation allows.',
  out_of_memory: 'Reading the file needed more memory than this installation allows.',
} as const satisfies Record<string, string>;

export type ReasonCode = keyof typeof REASONS;
