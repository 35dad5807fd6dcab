import { z } from 'zod';

export const ServerProtocol = z.enum(['openai', 'ollama']);
export type ServerProtocol = z.infer<typeof ServerProtocol>;
