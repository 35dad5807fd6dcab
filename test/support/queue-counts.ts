/** Jobs of all queues that a store holds, as the queue dashboard of one of its processes shows them. */
export interface JobsInStore {
  waiting: number;
  active: number;
  dead: number;
}

interface BoardQueue {
  counts: Record<'waiting' | 'prioritized' | 'delayed' | 'active' | 'failed', number>;
}

export async function countJobs({ get }: { get(path: string): Promise<Response> }): Promise<JobsInStore> {
  const response = await get('/dashboard/queues/api/queues');
  const { queues } = (await response.json()) as { queues: BoardQueue[] };
  const sum = (...states: (keyof BoardQueue['counts'])[]) =>
    queues.reduce((total, { counts }) => total + states.reduce((part, state) => part + counts[state], 0), 0);
  return {
    waiting: sum('waiting', 'prioritized', 'delayed'),
    active: sum('active'),
    dead: sum('failed'),
  };
}
