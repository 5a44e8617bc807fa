-- A secret that cannot sign holds the messages of its endpoint, so it is refused when it is set: where the function is ours
-- (see 0014). A function of the Rule Engine extension stays as it is: there, workers say that the secret is wrong.
DO $do$
DECLARE
  known CONSTANT oid := to_regprocedure('rule_webhook_secret_set(integer, text, text)');
BEGIN
  IF NOT EXISTS (
    SELECT FROM pg_proc
    WHERE oid = known AND pg_has_role(proowner, 'USAGE')
      AND obj_description(oid, 'pg_proc') =
        'Sets a secret of an endpoint: signing_secret signs, and so does every signing_secret_<anything> beside it.'
  ) THEN
    RETURN;
  END IF;

  CREATE OR REPLACE FUNCTION rule_webhook_secret_set(
    p_webhook_id integer,
    p_secret_name text,
    p_secret_value text
  ) RETURNS boolean LANGUAGE plpgsql AS $$
  BEGIN
    -- Other names hold what other programs need. An empty secret does not sign. The text of a secret is never repeated.
    IF (p_secret_name = 'signing_secret' OR starts_with(p_secret_name, 'signing_secret_'))
      AND p_secret_value !~ '^(\s*(whsec_)?[A-Za-z0-9+/]{2,}={0,2}\s*)?$'
    THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
        MESSAGE = format('this %s cannot sign: a signing secret is whsec_<base64>', p_secret_name),
        HINT = 'echo "whsec_$(openssl rand -base64 32)" makes one.';
    END IF;
    INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value)
    VALUES (p_webhook_id, p_secret_name, p_secret_value)
    ON CONFLICT (webhook_id, secret_name) DO UPDATE SET secret_value = EXCLUDED.secret_value, created_at = now();
    RETURN true;
  END
  $$;
  COMMENT ON FUNCTION rule_webhook_secret_set IS
    'Sets a secret of an endpoint: signing_secret signs, and so does every signing_secret_<anything> beside it. Refuses one that cannot sign.';
END
$do$;
