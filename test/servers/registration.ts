import type { z } from 'zod';
import { ServerRegistration } from '../../core/schemas/server-registration.ts';

/** A registration with every default filled in. */
export function registrationOf(
  id: string,
  fields: Partial<z.input<typeof ServerRegistration>> = {},
): ServerRegistration {
  return ServerRegistration.parse({ id, hostname: '127.0.0.1', port: 9000, ...fields });
}
