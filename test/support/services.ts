import { describe, test } from '@jest/globals';

/** A program that some tests need and that npm cannot install. */
export interface Service {
  name: string;
  isInstalled: boolean;
  /** The command that installs it. */
  install: string;
}

/** `describe` where `service` is installed. Elsewhere one skipped test says how to install it; under CI it fails. */
export function describeWith(service: Service, name: string, body: () => void): void {
  if (service.isInstalled) {
    describe(name, body);
    return;
  }
  const missing = `needs ${service.name}: ${service.install}`;
  describe(name, () => {
    if (!process.env.CI) {
      test.skip(missing, () => {});
      return;
    }
    test(missing, () => {
      throw new Error(`${service.name} is not installed, and CI runs every test: ${service.install}`);
    });
  });
}
