import { z } from 'zod';

// What answers have in common. These schemas describe and do not parse; test/api/openapi.test.ts holds real answers to them.

export const Time = z.iso.datetime();
export const MaybeTime = Time.nullable();
export const UnixSeconds = z.int().nonnegative();
export const AnyJson = z.unknown();
export const MaybeText = z.string().nullable();
export const Count = z.int().nonnegative();

/** The one error shape, of every route. */
export const ErrorAnswer = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: MaybeText,
    code: MaybeText,
  }),
});

/** Of a failed run, job or step. */
export const InnerError = ErrorAnswer.shape.error;

export function listOf<T extends z.ZodType>(item: T) {
  return z.object({
    object: z.literal('list'),
    data: z.array(item),
    first_id: MaybeText,
    last_id: MaybeText,
    has_more: z.boolean(),
  });
}

export const Deleted = z.object({
  id: z.string(),
  object: z.string().optional(),
  deleted: z.literal(true),
});
