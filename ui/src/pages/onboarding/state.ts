import { useQuery } from "@tanstack/react-query";
import { api, take } from "../../api/client";
import { useSession } from "../../shell/user";

/** How far the user has come: what is set up, what is left. */
export function useOnboarding() {
  const { user } = useSession();
  return useQuery({ queryKey: ["onboarding", user], queryFn: () => take(api.GET("/api/v1/users/me/onboarding")) });
}
