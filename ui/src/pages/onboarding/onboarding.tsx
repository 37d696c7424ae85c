import { Empty } from "../../components/states";

export default function Onboarding() {
  return <Empty title="Onboarding" />;
}
