// A program: `lease-holder.ts <redis url> <name> <limit> <callers> <hold ms> <clock skew ms>`. That many callers take a
// unit of the name, again and again, and use it so long; the observer hears of each. Prints `ready` when it begins.
import { once } from 'node:events';
import { argv, pid, stdout } from 'node:process';
import { createLeaseObserver } from './lease-observer.ts';
import { openRedisLeases } from './redis-leases.ts';

const [, , url = '', name = '', limit = '', callers = '', holdMs = '', skewMs = ''] = argv;
const realNow = Date.now;
Date.now = () => realNow() + Number(skewMs);

const leases = await openRedisLeases(url);
const observer = await createLeaseObserver(url);
const waiting: (() => void)[] = [];
leases.onFree(() => {
  for (const wake of waiting.splice(0)) wake();
});

async function useUnits(): Promise<never> {
  for (;;) {
    while (!leases.tryTake(name, Number(limit))) await new Promise<void>((resolve) => waiting.push(resolve));
    await observer.add(String(pid), 1);
    await new Promise((resolve) => setTimeout(resolve, Number(holdMs)));
    await observer.add(String(pid), -1);
    leases.giveBack(name);
  }
}

stdout.write('ready\n');
for (let caller = 0; caller < Number(callers); caller += 1) useUnits();
await once(process, 'never');
