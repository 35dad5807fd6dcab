import { REASONS, type ReasonCode } from './reason-codes.ts';

/** A document that cannot be taken in as it is: trying again changes nothing. The message is for its owner. */
export class DocumentRefused extends Error {
  override readonly name = 'DocumentRefused';
  readonly reasonCode: ReasonCode;

  constructor(reasonCode: ReasonCode, message: string = REASONS[reasonCode], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reasonCode = reasonCode;
  }
}
