import { z } from 'zod';
import { secretNameSchema, secretValueSchema } from './secret-value.js';

export const newSecretSchema = z.strictObject({ value: secretValueSchema }).meta({ id: 'NewSecret' });
export type NewSecret = z.output<typeof newSecretSchema>;

const instant = z.string().meta({ format: 'date-time' });
const secretFields = z.strictObject({
  name: secretNameSchema,
  version: z.int().min(1).meta({ description: 'One more with each value' }),
  createdAt: instant,
  updatedAt: instant,
});

/** A secret as its managers see it: never its value. */
export const secretSchema = secretFields.meta({ id: 'Secret' });
export const secretListSchema = z.strictObject({ items: z.array(secretFields), nextCursor: z.null() }).meta({ id: 'SecretList' });
