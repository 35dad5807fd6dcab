// For trials only, which must fail when results of attempts that are over count as well.
let isOff = false;

/** Gives what turns it on again. */
export function turnFencingOff(): () => void {
  isOff = true;
  return () => {
    isOff = false;
  };
}

export const isFencingOff = () => isOff;
