import { Empty } from "../../components/states";

export default function Mailed({ what }: { what: "verify-email" | "reset-password" | "join" }) {
  return <Empty title={what} />;
}
